import CE3
import CE3Kernels
import CE3Threads
import E3Format

/// What a session was asked to be; checked values of `e3_session_options`.
struct SessionOptions {
  var threads = 1
  let isa: e3_isa
  /// Whether thread i is bound to the i-th CPU of `cpus`.
  var pinsThreads = false
  var cpus = e3_session_options().cpus
  /// Whether the gates and choices of every MoE block are kept.
  var recordsRouting = false

  init(isa: e3_isa = e3_isa(E3_ISA_AUTO)) { self.isa = isa }

  /// - Throws: `structSize`, `threadCount`.
  init(validating options: UnsafePointer<e3_session_options>?) throws(E3Error) {
    guard let options else {
      self.init()
      return
    }
    let size = options.pointee.struct_size
    guard size >= UInt32(E3_SESSION_OPTIONS_FIRST_SIZE) else { throw .structSize }
    guard options.pointee.threads <= UInt32(E3_MAX_THREADS) else { throw .threadCount }
    self.init(isa: options.pointee.isa)
    threads = max(Int(options.pointee.threads), 1)
    pinsThreads = options.pointee.pin_threads != 0
    cpus = options.pointee.cpus
    if size >= UInt32(E3_SESSION_OPTIONS_ROUTING_SIZE) { recordsRouting = options.pointee.record_routing != 0 }
  }

  /// Kernels of the tier that was asked for.
  ///
  /// - Throws: `isaUnknown`, `isaUnavailable`.
  func kernelTable() throws(E3Error) -> UnsafePointer<e3k_table> {
    guard isa <= UInt32(E3_ISA_I8MM) else { throw .isaUnknown }
    guard let table = e3k_select(isa) else { throw .isaUnavailable }
    return table
  }
}

/// A session as it stands at the start of its arena.
struct Session {
  /// Alignment of an arena: worker stacks start on a page.
  static let arenaAlignment = Int(CE3_STACK_ALIGNMENT)
  /// Says, with its own address, that an address holds a session: one that was copied elsewhere is none, as it points
  /// into its own arena.
  static let mark: UInt64 = 0x6e6f_6973_7345_3345

  var mark: UInt64
  let model: ModelFile
  let kernels: UnsafePointer<e3k_table>
  let space: Workspace
  let profile: UnsafeMutablePointer<Profile>
  let team: UnsafeMutablePointer<ce3_team>
  var input = Input.patches

  static func mark(at address: UnsafeMutablePointer<Session>) -> UInt64 { mark ^ UInt64(UInt(bitPattern: address)) }

  /// What the team begins with.
  enum Input {
    /// A frame to be prepared.
    case frame(FramePreparation)
    /// Patches in `space.patches`.
    case patches
    /// Patches in `space.patchesQuantized`.
    case patchesQuantized
  }

  /// The parts of an arena, in order.
  struct Parts {
    let session: UnsafeMutablePointer<Session>
    let profile: UnsafeMutablePointer<Profile>
    let team: UnsafeMutablePointer<ce3_team>
    let stacks: UnsafeMutablePointer<UInt8>
    /// A copy of the file's table, which nobody changes.
    let table: UnsafeMutablePointer<e3_file_extent>
    let space: Workspace

    init(_ model: ModelFile, options: SessionOptions, in arena: inout Arena) {
      session = arena.take(Session.self, 1)
      profile = arena.take(Profile.self, 1)
      team = arena.take(ce3_team.self, 1)
      stacks = arena.take(
        UInt8.self, options.threads - 1, times: Int(CE3_WORKER_STACK_BYTES),
        alignment: Int(CE3_STACK_ALIGNMENT))
      table = arena.take(e3_file_extent.self, model.extentCount)
      space = Workspace(model, options: options, in: &arena)
    }
  }

  /// Exact arena size for a model and options.
  ///
  /// - Throws: `modelTooLarge`.
  static func arenaBytes(_ model: ModelFile, options: SessionOptions) throws(E3Error) -> Int {
    var arena = Arena()
    _ = Parts(model, options: options, in: &arena)
    guard !arena.overflowed else { throw .modelTooLarge }
    return arena.bytes
  }

  /// Creates a session in the `count` bytes at `memory`.
  ///
  /// - Throws: `arenaAlignment`, `arenaTooSmall`, `modelTooLarge`, `isaUnknown`, `isaUnavailable`, `threadStart`,
  ///   `threadAffinity`, `fileChanged`.
  static func create(
    _ model: ModelFile, options: SessionOptions, memory: UnsafeMutableRawPointer, count: Int
  ) throws(E3Error) -> UnsafeMutablePointer<Session> {
    let needed = try arenaBytes(model, options: options)
    guard Int(bitPattern: memory) % arenaAlignment == 0 else { throw .arenaAlignment }
    guard count >= needed else { throw .arenaTooSmall }
    let kernels = try options.kernelTable()
    var arena = Arena(memory, count: needed)
    let parts = Parts(model, options: options, in: &arena)
    let model = try model.copyingTable(to: parts.table)
    guard !arena.overflowed, model.mostInt4Inputs == parts.space.int4Inputs else { throw .fileChanged }
    parts.profile.initialize(to: Profile())
    // Quantisation reads whole padded rows, and no frame ever writes their padding.
    let patches = parts.space.patches
    patches.start.update(repeating: 0, count: patches.count * patches.stride)
    parts.space.filterTables?.clear()
    parts.space.routingRecord.clear(model.shape)
    parts.space.distance?.zeros.update(repeating: 0, count: model.shape.representationPadded)
    let started = withUnsafeBytes(of: options.cpus) { cpus in
      ce3_team_start(
        parts.team, UInt32(options.threads), parts.stacks,
        options.pinsThreads ? cpus.assumingMemoryBound(to: UInt16.self).baseAddress : nil)
    }
    guard started == CE3_TEAM_OK else {
      throw started == CE3_TEAM_AFFINITY_FAILED ? .threadAffinity : .threadStart
    }
    parts.session.initialize(
      to: Session(
        mark: mark(at: parts.session), model: model, kernels: kernels, space: parts.space, profile: parts.profile,
        team: parts.team))
    return parts.session
  }
}

extension UnsafeMutablePointer<Session> {
  /// Classifies one frame.
  ///
  /// - Throws: what `Frame` says, `resultNotFinite`.
  func run(frame: UnsafePointer<e3_frame>?) throws(E3Error) -> e3_result {
    pointee.profile.pointee = Profile()
    pointee.input = .frame(
      FramePreparation(
        of: try Frame(validating: frame), shape: pointee.model.shape, tables: pointee.space.filterTables))
    return try runTeam()
  }

  /// Classifies one prepared image of `count` values.
  ///
  /// - Throws: `tensorSize`, `tensorNotFinite`, `resultNotFinite`.
  func run(tensor values: UnsafePointer<Float>, count: Int) throws(E3Error) -> e3_result {
    pointee.profile.pointee = Profile()
    let shape = pointee.model.shape
    guard count == shape.imageValues else { throw .tensorSize }
    if shape.patchesTileImage {
      pointee.input = .patchesQuantized
      guard kernels.quantizePatches(values, shape: shape, into: pointee.space.patchesQuantized) else {
        throw .tensorNotFinite
      }
      return try runTeam()
    }
    pointee.input = .patches
    let patches = patchMatrix
    let lineValues = shape.imageWidth * shape.channels
    for line in 0..<shape.imageHeight {
      guard allFinite(values + line * lineValues, count: lineValues) else { throw .tensorNotFinite }
      if line < patches.lineCount { patches.place(values, shape: shape, lines: line..<line + 1) }
    }
    return try runTeam()
  }

  /// Runs the golden input and compares the bits of the member logits.
  ///
  /// - Throws: `noGolden`, `goldenMismatch`.
  func selfTest() throws(E3Error) {
    pointee.profile.pointee = Profile()
    guard let golden = pointee.model.golden else { throw .noGolden }
    pointee.input = .frame(FramePreparation(goldenPixels: golden.pixels, shape: pointee.model.shape))
    let result = try runTeam()
    for index in 0..<Int(result.members) * Int(result.classes)
    where result.member_logits[index].bitPattern != golden.logits[index].bitPattern {
      throw .goldenMismatch
    }
  }

  /// The first layer's input in the arena.
  private var patchMatrix: PatchMatrix {
    PatchMatrix(
      shape: pointee.model.shape, rows: pointee.space.patches.start, rowStride: pointee.space.patches.stride)
  }

  private func runTeam() throws(E3Error) -> e3_result {
    pointee.space.notFinite.update(repeating: 0, count: Int(pointee.team.pointee.count))
    let team = pointee.team
    ce3_team_look(team, pointee.profile.pointee.last)
    if ce3_team_is_late(team) == 0 { ce3_team_run(team, enterTeam, self) }
    guard ce3_team_is_late(team) == 0 else { throw .deadline }
    return try encoder(worker: 0).predict()
  }

  /// What one worker of the team does for a frame.
  fileprivate func runWorker(index: Int) {
    let encoder = encoder(worker: index)
    if case .frame(let preparation) = pointee.input {
      preparation.run(
        lines: encoder.worker.share(of: patchMatrix.lineCount), into: patchMatrix, kernels: encoder.kernels)
      encoder.worker.barrier()
    }
    if case .patchesQuantized = pointee.input {} else { encoder.quantizePatches() }
    encoder.mark(.preprocess)
    encoder.run()
  }

  /// The kernels as the first worker calls them.
  var kernels: Kernels { encoder(worker: 0).kernels }

  private func encoder(worker index: Int) -> Encoder {
    Encoder(
      model: pointee.model, shape: pointee.model.shape,
      kernels: pointee.space.kernels(pointee.kernels, worker: index), space: pointee.space,
      worker: Worker(index: index, count: Int(pointee.team.pointee.count), team: pointee.team),
      profile: pointee.profile)
  }
}

/// The C entry of every worker of the team.
private func enterTeam(_ context: UnsafeMutableRawPointer?, _ index: UInt32) {
  context.unsafelyUnwrapped.assumingMemoryBound(to: Session.self).runWorker(index: Int(index))
}
