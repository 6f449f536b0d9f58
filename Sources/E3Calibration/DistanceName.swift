/// What may decide between known and unknown, by name: `relative`, `half-relative` or `mahalanobis`, `++` where
/// representations are divided by their length, and `,entropy` or `,mutual-information` where that is added.
public struct DistanceName: Hashable, Sendable {
  enum Uncertainty: String, CaseIterable {
    case none = ""
    case entropy = ",entropy"
    case mutualInformation = ",mutual-information"
  }

  let hasUnitLength: Bool
  let base: Base
  let uncertainty: Uncertainty

  /// How much of the squared distance from the background is taken off.
  enum Base: String, CaseIterable {
    case relative
    case halfRelative = "half-relative"
    case mahalanobis

    var backgroundWeight: Float {
      switch self {
      case .relative: 1
      case .halfRelative: 0.5
      case .mahalanobis: 0
      }
    }
  }

  /// Every name; the first is the relative distance, which stays where no other is clearly better.
  public static let all: [DistanceName] = [false, true].flatMap { hasUnitLength in
    Base.allCases.flatMap { base in
      Uncertainty.allCases.map { DistanceName(hasUnitLength: hasUnitLength, base: base, uncertainty: $0) }
    }
  }

  private init(hasUnitLength: Bool, base: Base, uncertainty: Uncertainty) {
    (self.hasUnitLength, self.base, self.uncertainty) = (hasUnitLength, base, uncertainty)
  }

  /// Nil for what is no name.
  public init?(_ text: String) {
    guard let found = Self.all.first(where: { $0.text == text }) else { return nil }
    self = found
  }

  /// Whether it is only for models of several members.
  var needsMembers: Bool { uncertainty == .mutualInformation }

  /// Whether the weight of an uncertainty is still to be chosen.
  public var leavesAChoice: Bool { uncertainty != .none }

  /// The name.
  public var text: String { base.rawValue + (hasUnitLength ? "++" : "") + uncertainty.rawValue }
}
