import CE3

/// What decides between known and unknown: d² − background weight · b² + uncertainty weight · U, with the squared
/// distances d² from the nearest class and b² from the background, means over the members. FORMAT.md, section 5.1.
public struct UnknownScore: BitwiseCopyable, Equatable, Sendable {
  /// What a distance may be added to.
  public enum Uncertainty: BitwiseCopyable, Sendable { case none, entropy, mutualInformation }

  /// Whether representations are divided by their length before distances are measured.
  public var hasUnitLength: Bool
  /// 0 (Mahalanobis distance) to 1 (relative Mahalanobis distance).
  public var backgroundWeight: Float
  public var uncertainty: Uncertainty
  /// 0 without an uncertainty.
  public var uncertaintyWeight: Float

  public init(hasUnitLength: Bool, backgroundWeight: Float, uncertainty: Uncertainty, uncertaintyWeight: Float) {
    self.hasUnitLength = hasUnitLength
    self.backgroundWeight = backgroundWeight
    self.uncertainty = uncertainty
    self.uncertaintyWeight = uncertaintyWeight
  }

  /// The relative distance alone, which every reader of format 2.0 knows.
  public static var relative: UnknownScore {
    UnknownScore(hasUnitLength: false, backgroundWeight: 1, uncertainty: .none, uncertaintyWeight: 0)
  }

  /// What a valid calibration says.
  public init(_ calibration: e3_file_calibration) {
    self = .relative
    guard calibration.distance == UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue) else { return }
    hasUnitLength = calibration.rows == UInt32(E3_FILE_ROWS_UNIT_LENGTH.rawValue)
    backgroundWeight = calibration.background_weight
    uncertaintyWeight = calibration.uncertainty_weight
    switch calibration.uncertainty {
    case UInt32(E3_FILE_UNCERTAINTY_ENTROPY.rawValue): uncertainty = .entropy
    case UInt32(E3_FILE_UNCERTAINTY_MUTUAL_INFORMATION.rawValue): uncertainty = .mutualInformation
    default: uncertainty = .none
    }
  }

  /// Writes it into a calibration that has statistics.
  public func store(in calibration: inout e3_file_calibration) {
    guard self != .relative else {
      calibration.distance = UInt32(E3_FILE_DISTANCE_RELATIVE_MAHALANOBIS.rawValue)
      return
    }
    calibration.distance = UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue)
    calibration.rows = UInt32((hasUnitLength ? E3_FILE_ROWS_UNIT_LENGTH : E3_FILE_ROWS_PLAIN).rawValue)
    calibration.background_weight = backgroundWeight
    calibration.uncertainty_weight = uncertaintyWeight
    switch uncertainty {
    case .none: calibration.uncertainty = UInt32(E3_FILE_UNCERTAINTY_NONE.rawValue)
    case .entropy: calibration.uncertainty = UInt32(E3_FILE_UNCERTAINTY_ENTROPY.rawValue)
    case .mutualInformation: calibration.uncertainty = UInt32(E3_FILE_UNCERTAINTY_MUTUAL_INFORMATION.rawValue)
    }
  }

  /// The score of an answer. In f32: one product for each weight, and sums in the order of the formula.
  ///
  /// - Parameters:
  ///   - distance: d² − background weight · b², mean over the members.
  ///   - entropy: of the members' mean, in nats.
  public func score(distance: Float, entropy: Float, mutualInformation: Float) -> Float {
    switch uncertainty {
    case .none: return distance
    case .entropy: return distance + uncertaintyWeight * entropy
    case .mutualInformation: return distance + uncertaintyWeight * mutualInformation
    }
  }

  /// The same in double precision, from what an answer says of its distances.
  ///
  /// - Parameters:
  ///   - distance: d, the root of the mean of its squares.
  ///   - relativeDistance: d² − b².
  public func value(distance: Double, relativeDistance: Double, entropy: Double, mutualInformation: Double) -> Double {
    let square = distance * distance
    let weighted = square - Double(backgroundWeight) * (square - relativeDistance)
    guard weighted.isFinite else { return .infinity }
    switch uncertainty {
    case .none: return weighted
    case .entropy: return weighted + Double(uncertaintyWeight) * entropy
    case .mutualInformation: return weighted + Double(uncertaintyWeight) * mutualInformation
    }
  }
}
