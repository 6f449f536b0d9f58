import CE3
import CE3Threads
import E3Format

/// Which experts of a model stay in memory, and what the workers of a session read the others with.
struct Residency {
  /// Of a piece that is read at a time, where no panel is larger.
  private static let leastPieceBytes = 640 << 10

  /// Of the model file.
  let descriptor: Int32
  /// [extents of the file]: whether the expert at this place of the table is locked in memory.
  let isResident: UnsafeMutablePointer<Bool>
  /// [threads][pieceBytes]
  private let pieces: UnsafeMutablePointer<UInt8>
  /// Bytes of the largest piece.
  let pieceBytes: Int
  /// [threads]: whether a piece could not be read in this run.
  let hasFailed: UnsafeMutablePointer<Bool>
  /// [MoE blocks of all networks]
  let layers: UnsafeMutablePointer<Layer>
  private let layerCount: Int
  private let threads: Int

  /// How the experts of a block came into memory in the last run.
  struct Layer {
    /// Experts, and of those the ones that are locked in memory.
    var (chosen, chosenResident): (UInt32, UInt32) = (0, 0)
    var (chosenBytes, readBytes): (UInt64, UInt64) = (0, 0)
    /// Nanoseconds of the first worker.
    var waiting: UInt64 = 0
  }

  /// - Throws: `fileChanged`.
  init(_ model: ModelFile, options: SessionOptions, in arena: inout Arena) throws(E3Error) {
    var (layerCount, pieceBytes) = (0, Self.leastPieceBytes)
    try model.forEachNetwork { (view) throws(E3Error) in
      layerCount += view.shape.moeBlockCount
      guard view.shape.moeBlockCount > 0 else { return }
      pieceBytes = max(pieceBytes, LinearLayout(view.shape, .expert).panelBytes)
      pieceBytes = max(pieceBytes, LinearLayout(view.shape, .expert, contract: true).panelBytes)
    }
    descriptor = options.descriptor
    threads = options.threads
    isResident = arena.take(Bool.self, model.extentCount)
    pieces = arena.take(UInt8.self, threads, times: pieceBytes)
    hasFailed = arena.take(Bool.self, threads)
    layers = arena.take(Layer.self, layerCount)
    (self.layerCount, self.pieceBytes) = (layerCount, pieceBytes)
  }

  func piece(ofWorker index: Int) -> UnsafeMutablePointer<UInt8> { pieces + index * pieceBytes }

  /// To be called before a run of all networks.
  func beginRun() {
    hasFailed.update(repeating: false, count: threads)
    layers.update(repeating: Layer(), count: layerCount)
  }

  /// - Throws: `fileRead` when a piece was missing in the run so far; `fileChanged` when the descriptor has become that of
  ///   another file.
  func requireRead(_ model: ModelFile) throws(E3Error) {
    for index in 0..<threads where hasFailed[index] { throw .fileRead }
    for index in 0..<layerCount where layers[index].readBytes > 0 {
      try requireHeader(model)
      return
    }
  }

  /// What is read must be what is mapped: the header has the checksum of the table, and that those of all weights.
  ///
  /// - Throws: `fileRead`, `fileChanged`.
  @inline(never)  // its size
  private func requireHeader(_ model: ModelFile) throws(E3Error) {
    let header = model.header
    guard ce3_read(descriptor, 0, pieces, header.count) == CE3_READING_OK else { throw .fileRead }
    for index in 0..<header.count where header[index] != pieces[index] { throw .fileChanged }
  }
}

// MARK: What is resident

extension Residency {
  /// Chooses what fits into `budget` bytes, and locks it: everything but the experts, then the experts that the most
  /// images of the calibration chose; of equals those with the lowest numbers, block by block. The rest of the arena's
  /// part becomes zeros.
  ///
  /// - Throws: `residentBytes`, `fileChanged`, `fileRead`, `memoryLock`.
  func lock(_ model: ModelFile, budget: UInt64) throws(E3Error) {
    pieces.update(repeating: 0, count: threads * pieceBytes)
    beginRun()
    try requireHeader(model)
    let dense = try model.bytesWithoutExperts()
    guard budget >= dense else { throw .residentBytes }
    try choose(model, bytes: budget - dense)
    ce3_read_exactly(descriptor)
    var start: UInt64 = 0
    for index in 0..<model.extentCount {
      let extent = model.extent(at: index)
      // One that is stored with an earlier network has been passed.
      guard extent.kind == UInt32(ExtentKind.expert.rawValue), extent.offset >= start, !isResident[index] else {
        continue
      }
      try lock(model, start..<extent.offset)
      start = extent.offset + ModelFile.pagedBytes(extent)
    }
    if start < UInt64(model.size) { try lock(model, start..<UInt64(model.size)) }
  }

  private func lock(_ model: ModelFile, _ range: Range<UInt64>) throws(E3Error) {
    guard !range.isEmpty else { return }
    switch ce3_lock(
      descriptor, range.lowerBound, model.address(of: range.lowerBound), Int(range.count), pieces, pieceBytes)
    {
    case CE3_READING_OK: return
    case CE3_LOCKING_FAILED: throw .memoryLock
    default: throw .fileRead
    }
  }

  /// Marks the experts that fit into `bytes`. Nothing is sorted: the least number of uses that is taken whole is searched.
  private func choose(_ model: ModelFile, bytes: UInt64) throws(E3Error) {
    isResident.update(repeating: false, count: model.extentCount)
    let end = UInt64(UInt32.max) + 1
    var (least, most) = (UInt64(0), end)
    while least < most {
      let middle = (least + most) / 2
      let needed = try take(model, uses: middle..<end, atMost: .max, marks: false)
      if needed <= bytes { most = middle } else { least = middle + 1 }
    }
    // Those first, then as many as fit of the ones with a use less.
    let taken = try take(model, uses: least..<end, atMost: bytes, marks: true)
    if least > 0 { _ = try take(model, uses: least - 1..<least, atMost: bytes - taken, marks: true) }
    for index in 0..<model.extentCount { isResident[index] = isResident[try model.storedIndex(of: index)] }
  }

  /// Takes the stored experts with as many uses, while they fit into `bytes`: the first experts of all blocks, then the
  /// second ones.
  ///
  /// - Returns: their bytes.
  private func take(
    _ model: ModelFile, uses: Range<UInt64>, atMost bytes: UInt64, marks: Bool
  ) throws(E3Error) -> UInt64 {
    var (number, isMore, taken) = (0, true, UInt64(0))
    while isMore {
      isMore = false
      try model.forEachNetwork { (view) throws(E3Error) in
        guard number < view.shape.expertCount else { return }
        isMore = true
        for block in 0..<view.shape.layerCount where view.shape.isMoE(block) {
          let index = view.tableIndex(ofExpert: number, block: block)
          let paged = ModelFile.pagedBytes(model.extent(at: index))
          guard uses.contains(UInt64(view.uses(ofExpert: number, block: block))), paged <= bytes - taken,
            try model.storedIndex(of: index) == index
          else { continue }
          taken += paged
          if marks { isResident[index] = true }
        }
      }
      number += 1
    }
    return taken
  }
}

extension UnsafeMutablePointer<Session> {
  /// Residency of the MoE layer `index`, counted over the networks one after the other.
  ///
  /// - Throws: `notResident`, `indexRange`.
  func residency(layer index: UInt32) throws(E3Error) -> e3_residency {
    guard let residency = pointee.residency else { throw .notResident }
    var hasExperts = false
    for place in 0..<pointee.model.networkCount {
      let model = pointee.networks[place].model
      for block in 0..<model.shape.layerCount where model.shape.isMoE(block) {
        hasExperts = true
        let layer = model.firstMoELayer + model.shape.moeBlocks(before: block)
        guard layer == Int(index) else { continue }
        return residency.described(model, block: block, layer: layer)
      }
    }
    throw hasExperts ? .indexRange : .notResident
  }
}

extension Residency {
  fileprivate func described(_ model: ModelFile, block: Int, layer: Int) -> e3_residency {
    let measured = layers[layer]
    var filled = e3_residency()
    (filled.network, filled.block) = (UInt32(model.network), UInt32(block))
    filled.experts = UInt32(model.shape.expertCount)
    for expert in 0..<model.shape.expertCount {
      let index = model.tableIndex(ofExpert: expert, block: block)
      guard isResident[index] else { continue }
      filled.resident += 1
      filled.resident_bytes += model.extent(at: index).length
    }
    (filled.chosen, filled.chosen_resident) = (measured.chosen, measured.chosenResident)
    (filled.chosen_bytes, filled.read_bytes) = (measured.chosenBytes, measured.readBytes)
    filled.waiting_ns = measured.waiting
    return filled
  }
}
