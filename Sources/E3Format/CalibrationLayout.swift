import CE3

/// Sizes and places inside the sections of a calibration: FORMAT.md, section "Calibration".
public struct CalibrationLayout: BitwiseCopyable, Sendable {
  private let shape: ModelShape

  public init(_ shape: ModelShape) { self.shape = shape }

  /// Where a temperature must lie.
  public static var temperatures: ClosedRange<Float> { 0.01...100 }

  /// R16: floats from one row of a representation to the next.
  var width: UInt64 { UInt64(shape.headInputSizePadded) }
  /// Panels of a whitening: R16 / 16.
  public var panelCount: Int { shape.headInputSizePadded / 16 }
  /// Floats of a whitening: its panel p has 16(p + 1) inputs of 16 outputs.
  public var whiteningFloats: UInt64 { 128 * UInt64(panelCount) * (UInt64(panelCount) + 1) }
  /// Floats of one member: centre, two whitenings, class means. With the limits of the format every size fits 64 bits.
  public var memberFloats: UInt64 { width + 2 * whiteningFloats + UInt64(shape.classCount) * width }
  /// Bytes of the statistics section.
  public var statisticsBytes: UInt64 { 4 * UInt64(shape.memberCount) * memberFloats }
  /// Bytes of the calibration section.
  public static var calibrationBytes: Int { MemoryLayout<e3_file_calibration>.size }
}

/// A whitening inside the file: a lower-triangular matrix W, so that `W z` has unit covariance.
public struct WhiteningView: BitwiseCopyable {
  /// First panel; 64-byte aligned.
  public let panels: UnsafePointer<Float>

  /// Panel `index`: outputs `16 * index ..< 16 * index + 16`, each of ``inputs(ofPanel:)`` inputs.
  public func panel(_ index: Int) -> UnsafePointer<Float> { panels + 128 * index * (index + 1) }

  /// Inputs of panel `index`: those that a lower-triangular matrix can have there.
  public static func inputs(ofPanel index: Int) -> Int { 16 * (index + 1) }
}

/// What a file knows about the representations of one member.
public struct StatisticsView: BitwiseCopyable {
  /// `[R16]`: mean of all representations.
  public let centre: UnsafePointer<Float>
  /// Whitens the spread within the classes.
  public let classes: WhiteningView
  /// Whitens the spread of all representations about the centre.
  public let background: WhiteningView
  /// `[C][R16]`: ``classes`` times (mean of the class - centre).
  public let classMeans: UnsafePointer<Float>
}
