import CE3

/// How the experts of one MoE layer came into memory in the last run; zeros before the first, but for those that stay
/// there. The equivalent of `e3_residency`.
public struct Residency: Sendable {
  private let measured: e3_residency

  init(_ measured: e3_residency) { self.measured = measured }

  /// The network of the file, from 0.
  public var network: Int { Int(measured.network) }
  /// The encoder block of it, from 0.
  public var block: Int { Int(measured.block) }
  /// E, the number of experts.
  public var expertCount: Int { Int(measured.experts) }
  /// Experts that are locked in memory.
  public var residentExperts: Int { Int(measured.resident) }
  /// Experts that a token of the last run chose.
  public var chosenExperts: Int { Int(measured.chosen) }
  /// Chosen experts that are locked in memory.
  public var chosenResidentExperts: Int { Int(measured.chosen_resident) }
  /// Bytes of the experts that are locked in memory.
  public var residentBytes: UInt64 { measured.resident_bytes }
  /// Bytes of the chosen experts.
  public var chosenBytes: UInt64 { measured.chosen_bytes }
  /// Bytes of those that were read from the file.
  public var readBytes: UInt64 { measured.read_bytes }
  /// Nanoseconds that the calling thread waited for them, copying included.
  public var waiting: UInt64 { measured.waiting_ns }
}
