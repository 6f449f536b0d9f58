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
  /// Whether there is room for the features of learned classes.
  var hasLearnedClasses = false
  /// Bytes of the model that are locked in memory, and its file; 0: all of it comes and goes as it is mapped.
  var residentBytes: UInt64 = 0
  var descriptor: Int32 = -1
  /// Whether later networks are left out where the file says that the first ones suffice.
  var stopsEarly = false

  init(isa: e3_isa = e3_isa(E3_ISA_AUTO)) { self.isa = isa }

  /// - Throws: `structSize`, `threadCount`.
  init(validating options: UnsafePointer<e3_session_options>?) throws(E3Error) {
    guard let options else {
      self.init()
      return
    }
    let size = options.pointee.struct_size
    guard size >= UInt32(E3_SESSION_OPTIONS_FIRST_SIZE) else { throw .structSize }
    try requireZeros(options, from: MemoryLayout<e3_session_options>.size, to: size)
    guard options.pointee.threads <= UInt32(E3_MAX_THREADS) else { throw .threadCount }
    self.init(isa: options.pointee.isa)
    threads = max(Int(options.pointee.threads), 1)
    pinsThreads = options.pointee.pin_threads != 0
    cpus = options.pointee.cpus
    if size >= UInt32(E3_SESSION_OPTIONS_ROUTING_SIZE) { recordsRouting = options.pointee.record_routing != 0 }
    if size >= UInt32(E3_SESSION_OPTIONS_CLASSES_SIZE) { hasLearnedClasses = options.pointee.learned_classes != 0 }
    if size >= UInt32(E3_SESSION_OPTIONS_RESIDENT_SIZE) {
      (residentBytes, descriptor) = (options.pointee.resident_bytes, options.pointee.descriptor)
      stopsEarly = options.pointee.early != 0
    }
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

/// One network of a session.
struct Network {
  let model: ModelFile
  let space: Workspace
}

/// A session as it stands at the start of its arena.
struct Session {
  /// Alignment of an arena: worker stacks start on a page.
  static let arenaAlignment = Int(CE3_STACK_ALIGNMENT)
  /// Says, with its own address, that an address holds a session: one that was copied elsewhere is none, as it points
  /// into its own arena.
  static let mark: UInt64 = 0x6e6f_6973_7345_3345

  /// The first member, read and written as one word.
  private let mark: UInt64
  /// The view of the first network.
  let model: ModelFile
  let kernels: UnsafePointer<e3k_table>
  /// [N]: the networks, which take turns.
  let networks: UnsafeMutablePointer<Network>
  /// Whether all of them cut the image into the same patches.
  let hasEqualPatches: Bool
  let answer: AnswerSpace
  /// Nil where all of the model comes and goes as it is mapped.
  let residency: Residency?
  let profile: UnsafeMutablePointer<Profile>
  let team: UnsafeMutablePointer<ce3_team>
  let stopsEarly: Bool
  /// The network that the team runs, and what it begins with.
  var current = 0
  var input = Input.patches

  static func mark(at address: UnsafeMutablePointer<Session>) -> UInt64 { mark ^ UInt64(UInt(bitPattern: address)) }

  /// Nil where no learned classes can be attached.
  var learned: LearnedBuffers? { networks[0].space.learned }

  /// What the team begins with.
  enum Input {
    /// A frame to be prepared.
    case frame(FramePreparation)
    /// Patches in `space.patches`.
    case patches
    /// Patches in `space.patchesQuantized`.
    case patchesQuantized
  }

  /// The parts of an arena before its buffers, in order: their sizes follow from the options and the header.
  struct Parts {
    let session: UnsafeMutablePointer<Session>
    let profile: UnsafeMutablePointer<Profile>
    let team: UnsafeMutablePointer<ce3_team>
    let stacks: UnsafeMutablePointer<UInt8>
    let networks: UnsafeMutablePointer<Network>
    /// Copies of the file's configurations and table, which nobody changes.
    let configs: UnsafeMutablePointer<e3_file_config>
    let table: UnsafeMutablePointer<e3_file_extent>

    init(_ model: ModelFile, options: SessionOptions, in arena: inout Arena) {
      session = arena.take(Session.self, 1)
      profile = arena.take(Profile.self, 1)
      team = arena.take(ce3_team.self, 1)
      stacks = arena.take(
        UInt8.self, options.threads - 1, times: Int(CE3_WORKER_STACK_BYTES),
        alignment: Int(CE3_STACK_ALIGNMENT))
      networks = arena.take(Network.self, model.networkCount)
      configs = arena.take(e3_file_config.self, model.networkCount)
      table = arena.take(e3_file_extent.self, model.extentCount)
    }
  }

  /// Lays out the buffers, which are the rest of an arena: what the answer is made of, the records of all routers, and
  /// the networks' workspaces one over the other.
  ///
  /// - Parameter place: Is given each network.
  /// - Throws: `fileChanged`.
  private static func layBuffers(
    of model: ModelFile, options: SessionOptions, in arena: inout Arena, place: (Network) -> Void
  ) throws(E3Error) -> (AnswerSpace, Residency?) {
    let residency = options.residentBytes > 0 ? try Residency(model, options: options, in: &arena) : nil
    var representation = 0
    try model.forEachNetwork { (view) throws(E3Error) in
      representation = max(representation, view.shape.headInputSize)
    }
    let answer = AnswerSpace(model, representation: representation, options: options, in: &arena)
    var nextRecord = arena.used
    try model.forEachNetwork { (view) throws(E3Error) in
      _ = RoutingRecord(view.shape, isEnabled: options.recordsRouting, in: &arena)
    }
    let workspaces = arena.used
    try model.forEachNetwork { (view) throws(E3Error) in
      arena.rewind(to: nextRecord)
      let record = RoutingRecord(view.shape, isEnabled: options.recordsRouting, in: &arena)
      nextRecord = arena.used
      arena.rewind(to: workspaces)
      place(
        Network(
          model: view, space: Workspace(view, options: options, answer: answer, record: record, in: &arena)))
    }
    return (answer, residency)
  }

  /// Exact arena size for a model and options.
  ///
  /// - Throws: `modelTooLarge`, `fileChanged`.
  static func arenaBytes(_ model: ModelFile, options: SessionOptions) throws(E3Error) -> Int {
    var arena = Arena()
    _ = Parts(model, options: options, in: &arena)
    _ = try layBuffers(of: model, options: options, in: &arena) { _ in }
    guard !arena.overflowed else { throw .modelTooLarge }
    return arena.bytes
  }

  /// Creates a session in the `count` bytes at `memory`.
  ///
  /// - Throws: `arenaAlignment`, `arenaTooSmall`, `modelTooLarge`, `isaUnknown`, `isaUnavailable`, `threadStart`,
  ///   `threadAffinity`, `fileChanged`, `residentBytes`, `fileRead`, `memoryLock`, `noEarlyStops`.
  static func create(
    _ model: ModelFile, options: SessionOptions, memory: UnsafeMutableRawPointer, count: Int
  ) throws(E3Error) -> UnsafeMutablePointer<Session> {
    let asked = try arenaBytes(model, options: options)
    guard Int(bitPattern: memory) % arenaAlignment == 0 else { throw .arenaAlignment }
    guard count >= asked else { throw .arenaTooSmall }
    guard model.hasEarlyStops || !options.stopsEarly else { throw .noEarlyStops }
    let kernels = try options.kernelTable()
    var arena = Arena(memory, count: asked)
    let parts = Parts(model, options: options, in: &arena)
    let model = try model.copyingTable(to: parts.table, configs: parts.configs)
    // What was asked for may have been the size of other configurations, which stood in the file meanwhile.
    guard try arenaBytes(model, options: options) == asked else { throw .fileChanged }
    parts.profile.initialize(to: Profile())
    var hasEqualPatches = true
    let (answer, residency) = try layBuffers(of: model, options: options, in: &arena) { network in
      (parts.networks + network.model.network).initialize(to: network)
      network.space.routingRecord.clear(network.model.shape)
      hasEqualPatches = hasEqualPatches && network.model.shape.hasPatches(of: model.shape)
    }
    answer.clear()
    parts.networks[0].clearPatches()
    parts.networks[0].space.learned?.clear()
    try residency?.lock(model, budget: options.residentBytes)
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
        mark: mark(at: parts.session), model: model, kernels: kernels, networks: parts.networks,
        hasEqualPatches: hasEqualPatches, answer: answer, residency: residency, profile: parts.profile,
        team: parts.team, stopsEarly: options.stopsEarly))
    return parts.session
  }
}

extension Network {
  /// Quantisation reads whole padded rows, and no frame ever writes their padding.
  func clearPatches() { space.patches.start.update(repeating: 0, count: space.patches.count * space.patches.stride) }

  /// The first layer's input in the arena.
  var patchMatrix: PatchMatrix {
    PatchMatrix(shape: model.shape, rows: space.patches.start, rowStride: space.patches.stride)
  }
}

extension ModelShape {
  /// Whether this network and one of `other` shape, of the same file, cut the image into the same patches.
  func hasPatches(of other: ModelShape) -> Bool { patchHeight == other.patchHeight && patchWidth == other.patchWidth }
}

extension UnsafeMutablePointer<Session> {
  /// Classifies one frame.
  ///
  /// - Throws: what `Frame` says, `resultNotFinite`.
  func run(frame: UnsafePointer<e3_frame>?) throws(E3Error) -> e3_result {
    pointee.profile.pointee = Profile()
    let frame = try Frame(validating: frame)
    return try runNetworks(stopsEarly: pointee.stopsEarly) { (network) throws(E3Error) in
      .frame(FramePreparation(of: frame, shape: network.model.shape, tables: pointee.answer.filterTables))
    }
  }

  /// Classifies one prepared image of `count` values.
  ///
  /// - Throws: `tensorSize`, `tensorNotFinite`, `resultNotFinite`.
  func run(tensor values: UnsafePointer<Float>, count: Int) throws(E3Error) -> e3_result {
    pointee.profile.pointee = Profile()
    guard count == pointee.model.shape.imageValues else { throw .tensorSize }
    return try runNetworks(stopsEarly: pointee.stopsEarly) { (network) throws(E3Error) in
      try place(values, in: network)
    }
  }

  /// Places a prepared image where the first layer of `network` reads it.
  private func place(_ values: UnsafePointer<Float>, in network: Network) throws(E3Error) -> Session.Input {
    let shape = network.model.shape
    if shape.patchesTileImage {
      guard kernels.quantizePatches(values, shape: shape, into: network.space.patchesQuantized) else {
        throw .tensorNotFinite
      }
      return .patchesQuantized
    }
    let patches = network.patchMatrix
    let lineValues = shape.imageWidth * shape.channels
    for line in 0..<shape.imageHeight {
      guard allFinite(values + line * lineValues, count: lineValues) else { throw .tensorNotFinite }
      if line < patches.lineCount { patches.place(values, shape: shape, lines: line..<line + 1) }
    }
    return .patches
  }

  /// Runs the golden input and compares the bits of the member logits.
  ///
  /// - Throws: `noGolden`, `goldenMismatch`.
  func selfTest() throws(E3Error) {
    pointee.profile.pointee = Profile()
    guard let golden = pointee.model.golden else { throw .noGolden }
    // The golden input is no frame that a class could be taught with.
    defer { pointee.learned?.forget() }
    let result = try runNetworks(stopsEarly: false) { (network) throws(E3Error) in
      .frame(FramePreparation(goldenPixels: golden.pixels, shape: network.model.shape))
    }
    for index in 0..<Int(result.members) * Int(result.classes)
    where result.member_logits[index].bitPattern != golden.logits[index].bitPattern {
      throw .goldenMismatch
    }
  }

  /// Runs one network after the other. The quantised patches of one serve the next where they are the same: each
  /// workspace has them in the same place.
  ///
  /// - Parameters:
  ///   - stopsEarly: Whether those are left out that the file says are not needed.
  ///   - prepare: Makes the input of a network.
  private func runNetworks(
    stopsEarly: Bool, _ prepare: (Network) throws(E3Error) -> Session.Input
  ) throws(E3Error) -> e3_result {
    if let classes = pointee.learned?.state.pointee.classes, !classes.isFor(pointee.model) { throw .notClasses }
    pointee.learned?.forget()
    pointee.residency?.beginRun()
    var index = 0
    while true {
      let network = pointee.networks[index]
      if index == 0 || !pointee.hasEqualPatches {
        if !pointee.hasEqualPatches { network.clearPatches() }
        pointee.input = try prepare(network)
      } else {
        pointee.input = .patchesQuantized
      }
      pointee.current = index
      try runTeam()
      try encoder(worker: 0).keepMembers(in: pointee.answer)
      if let result = answer(stopsEarly: stopsEarly) { return result }
      index += 1
    }
  }

  /// The answer of the networks up to the one that ran last; nil where the next one is to run.
  @inline(never)  // its size, once for each kind of input
  private func answer(stopsEarly: Bool) -> e3_result? {
    let (index, model) = (pointee.current, pointee.model)
    let isLast = index + 1 == model.networkCount
    guard isLast || stopsEarly else { return nil }
    let network = pointee.networks[index].model
    var result = Answer(
      model: model, members: network.firstMember + network.shape.memberCount, kernels: kernels, space: pointee.answer
    ).result()
    result.networks = UInt32(index + 1)
    guard isLast || result.mayStop(model.earlyStop(afterNetwork: index)) else { return nil }
    // What is recorded of the networks that are left out is of an earlier frame.
    for later in index + 1..<model.networkCount {
      pointee.networks[later].space.routingRecord.clear(pointee.networks[later].model.shape)
    }
    if let learned = pointee.learned { encoder(worker: 0).compare(learned, with: &result) }
    return result
  }

  /// Takes the last run as one more picture of a learned class.
  ///
  /// - Throws: `noFeatures`, `indexRange`, `classesFull`.
  func learn(_ learned: LearnedBuffers, _ index: Int) throws(E3Error) { try encoder(worker: 0).learn(learned, index) }

  private func runTeam() throws(E3Error) {
    pointee.answer.notFinite.update(repeating: 0, count: Int(pointee.team.pointee.count))
    let team = pointee.team
    ce3_team_look(team, pointee.profile.pointee.last)
    if ce3_team_is_late(team) == 0 { ce3_team_run(team, enterTeam, self) }
    guard ce3_team_is_late(team) == 0 else { throw .deadline }
    try pointee.residency?.requireRead(pointee.model)
  }

  /// What one worker of the team does for a frame.
  fileprivate func runWorker(index: Int) {
    let encoder = encoder(worker: index)
    if case .frame(let preparation) = pointee.input {
      let patches = pointee.networks[pointee.current].patchMatrix
      preparation.run(
        lines: encoder.worker.share(of: patches.lineCount), into: patches, kernels: encoder.kernels)
      encoder.worker.barrier()
    }
    if case .patchesQuantized = pointee.input {} else { encoder.quantizePatches() }
    encoder.mark(.preprocess)
    encoder.run()
  }

  /// The kernels as the first worker calls them.
  var kernels: Kernels { encoder(worker: 0).kernels }

  private func encoder(worker index: Int) -> Encoder {
    let network = pointee.networks[pointee.current]
    return Encoder(
      model: network.model, shape: network.model.shape,
      kernels: network.space.kernels(pointee.kernels, notFinite: pointee.answer.notFinite, worker: index),
      space: network.space, residency: pointee.residency,
      worker: Worker(index: index, count: Int(pointee.team.pointee.count), team: pointee.team),
      profile: pointee.profile)
  }
}

/// The C entry of every worker of the team.
private func enterTeam(_ context: UnsafeMutableRawPointer?, _ index: UInt32) {
  context.unsafelyUnwrapped.assumingMemoryBound(to: Session.self).runWorker(index: Int(index))
}
