import CE3

/// Bytes of the memory that a session lives in.
public struct ArenaLayout: Sendable, Equatable {
  /// Exactly as many as are needed: one byte fewer is refused.
  public let byteCount: Int
  /// What the address of the first byte is a multiple of.
  public let alignment: Int
}

/// The working state of one caller of a model.
///
/// A session has one owner, so no two threads can run it at once; it may be handed from thread to thread. It allocates
/// nothing after it was made. The equivalent of `e3_session`.
public struct Session: ~Copyable, @unchecked Sendable {
  // Sendable: it has one owner, and the arena belongs to it.
  /// The model that the session runs.
  public let model: Model
  let handle: OpaquePointer
  #if !hasFeature(Embedded)
    /// The arena, where it is the session's own.
    private let ownedArena: UnsafeMutableRawBufferPointer?
    /// Keeps the learned classes that the session refers to.
    var attached: LearnedClasses?
  #endif

  /// The memory that a session of `model` with `options` needs. The stacks of its workers are part of it.
  ///
  /// - Throws: `threadCount`, `modelTooLarge`.
  public static func arenaLayout(_ model: Model, _ options: SessionOptions = SessionOptions()) throws(E3Error)
    -> ArenaLayout
  {
    var (byteCount, alignment) = (0, 0)
    try E3Error.check(
      withUnsafePointer(to: model.handle) { model in
        withUnsafePointer(to: options.options) { e3_session_query(model, $0, &byteCount, &alignment) }
      })
    return ArenaLayout(byteCount: byteCount, alignment: alignment)
  }

  /// Creates a session in memory of the caller's.
  ///
  /// - Parameters:
  ///   - model: The model; the session keeps a copy.
  ///   - options: How the session is to run.
  ///   - arena: As `arenaLayout` says. It belongs to the session until that is destroyed, and must live as long.
  /// - Throws: `arenaTooSmall`, `arenaAlignment`, `threadCount`, `isaUnavailable`, `modelTooLarge`, `threadStart`,
  ///   `threadAffinity`, `residentBytes`, `fileRead`, `memoryLock`, `noEarlyStops`.
  public init(
    _ model: Model, _ options: SessionOptions = SessionOptions(), arena: UnsafeMutableRawBufferPointer
  ) throws(E3Error) {
    handle = try Self.create(model, options, arena)
    self.model = model
    #if !hasFeature(Embedded)
      ownedArena = nil
    #endif
  }

  #if !hasFeature(Embedded)
    /// Creates a session in memory of its own, the only allocation.
    ///
    /// - Throws: `threadCount`, `isaUnavailable`, `modelTooLarge`, `threadStart`, `threadAffinity`, `residentBytes`,
    ///   `fileRead`, `memoryLock`, `noEarlyStops`.
    public init(_ model: Model, _ options: SessionOptions = SessionOptions()) throws(E3Error) {
      let layout = try Self.arenaLayout(model, options)
      let arena = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.byteCount, alignment: layout.alignment)
      do throws(E3Error) {
        handle = try Self.create(model, options, arena)
      } catch {
        arena.deallocate()
        throw error
      }
      self.model = model
      ownedArena = arena
    }
  #endif

  deinit {
    // With one owner there is no call that could be in progress.
    _ = e3_session_destroy(handle)
    #if !hasFeature(Embedded)
      ownedArena?.deallocate()
    #endif
  }

  private static func create(
    _ model: Model, _ options: SessionOptions, _ arena: UnsafeMutableRawBufferPointer
  ) throws(E3Error) -> OpaquePointer {
    var created: OpaquePointer?
    var options = options.options
    #if !hasFeature(Embedded)
      if options.descriptor < 0 { options.descriptor = model.descriptor }
    #endif
    try E3Error.check(
      withUnsafePointer(to: model.handle) { model in
        withUnsafePointer(to: options) {
          e3_session_create(model, $0, arena.baseAddress, arena.count, &created)
        }
      })
    guard let created else { throw .nullArgument }
    return created
  }
}

// MARK: Running

extension Session {
  /// Classifies a camera image: the preprocessing recipe of the model file, then the network.
  ///
  /// No allocation, no system call but parking and waking the workers.
  ///
  /// - Returns: the answer, which holds until the session is used again.
  /// - Throws: `frameFormat`, `frameSize`, `frameStride`, `resultNotFinite`, `deadline`.
  @_lifetime(&self)
  public mutating func run(_ frame: borrowing Frame) throws(E3Error) -> Answer {
    var result = Answer.emptyResult
    try E3Error.check(withUnsafePointer(to: frame.frame) { e3_session_run_frame(handle, $0, &result) })
    return _overrideLifetime(Answer(result, model), mutating: &self)
  }

  /// Classifies a prepared image.
  ///
  /// - Parameter values: `[height][width][channels]` in the model's value range (-1 to 1 for the released checkpoints).
  /// - Returns: the answer, which holds until the session is used again.
  /// - Throws: `tensorSize`, `tensorNotFinite`, `resultNotFinite`, `deadline`.
  @_lifetime(&self)
  public mutating func run(tensor values: Span<Float>) throws(E3Error) -> Answer {
    var result = Answer.emptyResult
    guard values.count == model.imageValues else { throw .tensorSize }
    try E3Error.check(
      values.withUnsafeBufferPointer { e3_session_run_tensor(handle, $0.baseAddress, $0.count, &result) })
    return _overrideLifetime(Answer(result, model), mutating: &self)
  }

  /// Prepares a camera image as `run` does.
  ///
  /// - Parameters:
  ///   - frame: The camera image.
  ///   - values: `[height][width][channels]`, `Model.imageValues` floats; receives what the network would see.
  /// - Throws: `frameFormat`, `frameSize`, `frameStride`, `tensorSize`.
  public mutating func preprocess(_ frame: borrowing Frame, into values: inout MutableSpan<Float>) throws(E3Error) {
    guard values.count == model.imageValues else { throw .tensorSize }
    let status = values.withUnsafeMutableBufferPointer { values in
      withUnsafePointer(to: frame.frame) { e3_session_preprocess(handle, $0, values.baseAddress, values.count) }
    }
    try E3Error.check(status)
  }

  /// Ends runs with `deadline` once the clock shows a time. It is looked at before a run and once in every encoder
  /// block.
  ///
  /// - Parameter nanoseconds: of the clock `CLOCK_MONOTONIC`; 0: never, as at first.
  public mutating func setDeadline(nanoseconds: UInt64) { _ = e3_session_set_deadline(handle, nanoseconds) }

  /// Runs the golden input of the model file and compares the members' logits with the stored bits.
  ///
  /// - Throws: `noGolden`, `goldenMismatch`, `deadline`.
  public mutating func selfTest() throws(E3Error) { try E3Error.check(e3_session_self_test(handle)) }
}

// MARK: Looking at a session

extension Session {
  /// The tier that the session runs on; never `automatic`.
  public var instructionSet: InstructionSet {
    var isa = e3_isa(E3_ISA_AUTO)
    _ = e3_session_get_isa(handle, &isa)
    return InstructionSet(rawValue: isa) ?? .automatic
  }

  /// Where the time of the last run went.
  public var profile: Profile {
    var profile = e3_profile()
    profile.struct_size = UInt32(MemoryLayout<e3_profile>.size)
    _ = e3_session_get_profile(handle, &profile)
    return Profile(profile)
  }

  /// What the routers of a MoE layer decided in the last run.
  ///
  /// - Parameter layer: counted from 0 over the blocks that have experts.
  /// - Throws: `noRouting` when the session does not record it or the model has no experts; `indexRange`.
  @_lifetime(borrow self)
  public func routing(layer: Int) throws(E3Error) -> Routing {
    guard let number = UInt32(exactly: layer) else { throw .indexRange }
    var routing = e3_routing()
    routing.struct_size = UInt32(MemoryLayout<e3_routing>.size)
    try E3Error.check(e3_session_get_routing(handle, number, &routing))
    return _overrideLifetime(Routing(routing), borrowing: self)
  }

  /// How the experts of a MoE layer came into memory in the last run.
  ///
  /// - Parameter layer: counted from 0 over the blocks that have experts, network after network.
  /// - Throws: `notResident` when the session keeps no resident bytes or the model has no experts; `indexRange`.
  public func residency(layer: Int) throws(E3Error) -> Residency {
    guard let number = UInt32(exactly: layer) else { throw .indexRange }
    var residency = e3_residency()
    residency.struct_size = UInt32(MemoryLayout<e3_residency>.size)
    try E3Error.check(e3_session_get_residency(handle, number, &residency))
    return Residency(residency)
  }
}
