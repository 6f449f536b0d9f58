import CE3

/// How a session is to run. The equivalent of `e3_session_options`.
public struct SessionOptions: Sendable {
  var options: e3_session_options

  /// One thread, the fastest tier, no record of the routing.
  public init() {
    options = e3_session_options()
    options.struct_size = UInt32(MemoryLayout<e3_session_options>.size)
    options.descriptor = -1
  }

  /// - Parameters:
  ///   - threads: The calling thread and as many workers as make this number, up to 64.
  ///   - instructionSet: A tier to force.
  ///   - recordsRouting: Whether `Session.routing(layer:)` will be asked.
  ///   - hasLearnedClasses: Whether learned classes will be attached.
  ///   - stopsEarly: Whether later networks are left out where the first ones suffice.
  public init(
    threads: Int = 1, instructionSet: InstructionSet = .automatic, recordsRouting: Bool = false,
    hasLearnedClasses: Bool = false, stopsEarly: Bool = false
  ) {
    self.init()
    self.stopsEarly = stopsEarly
    self.hasLearnedClasses = hasLearnedClasses
    self.threads = threads
    self.instructionSet = instructionSet
    self.recordsRouting = recordsRouting
  }

  /// Threads that compute: the calling one and workers. More than 64 are refused with `threadCount`.
  public var threads: Int {
    get { Swift.max(Int(options.threads), 1) }
    set { options.threads = UInt32(clamping: newValue) }
  }

  /// The tier of the kernels.
  public var instructionSet: InstructionSet {
    get { InstructionSet(rawValue: options.isa) ?? .automatic }
    set { options.isa = newValue.rawValue }
  }

  /// Whether the routers' decisions are kept, which adds a copy of the gates to every run and to the arena.
  public var recordsRouting: Bool {
    get { options.record_routing != 0 }
    set { options.record_routing = newValue ? 1 : 0 }
  }

  /// Whether learned classes can be attached, which adds room for their features to the arena.
  public var hasLearnedClasses: Bool {
    get { options.learned_classes != 0 }
    set { options.learned_classes = newValue ? 1 : 0 }
  }

  /// Whether a frame is not given to the later networks of a deep ensemble where the answer of the first ones is as sure
  /// as the file asks for. What an answer says is then of the members that answered: ``Answer/networkCount``. Refused with
  /// `noEarlyStops` where the file does not say it (``Model/hasEarlyStops``).
  public var stopsEarly: Bool {
    get { options.early != 0 }
    set { options.early = newValue ? 1 : 0 }
  }

  #if !hasFeature(Embedded)
    /// Locks so many bytes of the model at most in memory, and reads the experts that are not among them from its file
    /// when a token has chosen them.
    ///
    /// For a model of `Model.init(contentsOf:)`, whose file stays open; others are refused with `fileRead`.
    ///
    /// - Parameter bytes: `Model.residentMinimum` at least; fewer are refused with `residentBytes`. 0: pages come and go as
    ///   the mapping has it.
    public mutating func keepResident(bytes: UInt64) { keepResident(bytes: bytes, of: -1) }
  #endif

  /// Locks so many bytes of the model at most in memory, and reads the experts that are not among them from its file when
  /// a token has chosen them.
  ///
  /// - Parameters:
  ///   - bytes: `Model.residentMinimum` at least; fewer are refused with `residentBytes`. 0: pages come and go as the
  ///     mapping has it.
  ///   - descriptor: The open file, or block device, whose bytes the model was opened with, mapped from their start. It
  ///     must stay open as long as the session lives.
  public mutating func keepResident(bytes: UInt64, of descriptor: Int32) {
    (options.resident_bytes, options.descriptor) = (bytes, descriptor)
  }

  /// One thread on each of `cpus`, the calling thread on the first; sets `threads` to their number.
  ///
  /// - Throws: `threadCount` when there are none, or more than 64.
  public mutating func pin(to cpus: Span<UInt16>) throws(E3Error) {
    guard !cpus.isEmpty, cpus.count <= Int(E3_MAX_THREADS) else { throw .threadCount }
    threads = cpus.count
    options.pin_threads = 1
    cpus.withUnsafeBytes { cpus in
      withUnsafeMutableBytes(of: &options.cpus) { $0.copyMemory(from: cpus) }
    }
  }
}
