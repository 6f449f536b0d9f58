import CE3Threads
import E3Format

/// One worker's reading of the experts of a block that are not in memory, in pieces of whole panels and in the order in
/// which it multiplies with them. While one is waited for and used, the system reads the next ones.
///
/// Every worker reads the panels that it computes, so no byte is read twice and nobody waits for another's.
struct ExpertReading {
  /// Pieces that the system is asked for before they are needed.
  private static let piecesAhead = 2

  private let residency: Residency
  private let model: ModelFile
  private let block: Int
  private let worker: Worker
  private let piece: UnsafeMutablePointer<UInt8>
  private var ahead: Cursor
  /// Nanoseconds that were waited so far.
  private(set) var waiting: UInt64 = 0

  /// Begins to read the first pieces of the `total` assigned places.
  init(_ encoder: Encoder, residency: Residency, block: Int, total: Int) {
    self.residency = residency
    (model, worker, self.block) = (encoder.model, encoder.worker, block)
    piece = residency.piece(ofWorker: worker.index)
    ahead = Cursor(limit: encoder.space.hidden.count, total: total)
    for _ in 0..<Self.piecesAhead { readAhead(encoder) }
  }

  /// Whether an expert is to be read.
  func reads(_ expert: Int) -> Bool { !residency.isResident[model.tableIndex(ofExpert: expert, block: block)] }

  /// Reads this worker's panels of `layer`, of an expert that is to be read, piece by piece.
  ///
  /// - Parameter multiply: Is given some of the panels, and the first column that they compute.
  mutating func forEachPiece(of layer: LinearView, _ encoder: Encoder, _ multiply: (LinearView, Int) -> Void) {
    var left = worker.panels(layer.panelCount)
    while !left.isEmpty {
      let panels = firstPiece(of: left, layer)
      left = panels.upperBound..<left.upperBound
      readAhead(encoder)
      read(layer, panels)
      multiply(layer.copied(panels, to: piece), panels.lowerBound * panelChannels)
    }
  }

  /// Lets go of the pages that two pieces had a part of. When all workers are done with the block.
  func end(_ tables: RoutingTables) {
    for expert in 0..<model.shape.expertCount where !tables.places(of: expert).isEmpty && reads(expert) {
      let extent = model.extent(at: model.tableIndex(ofExpert: expert, block: block))
      ce3_drop(residency.descriptor, extent.offset, Int(ModelFile.pagedBytes(extent)))
    }
  }

  /// How the block's experts came into memory.
  func summary(_ tables: RoutingTables) -> Residency.Layer {
    var layer = Residency.Layer()
    for expert in 0..<model.shape.expertCount where !tables.places(of: expert).isEmpty {
      let bytes = model.extent(at: model.tableIndex(ofExpert: expert, block: block)).length
      layer.chosen += 1
      layer.chosenBytes += bytes
      if reads(expert) { layer.readBytes += bytes } else { layer.chosenResident += 1 }
    }
    layer.waiting = waiting
    return layer
  }

  /// Panels of `layer` that are read together: a multiple of the kernels' tile, where so many fit.
  private func firstPiece(of panels: Range<Int>, _ layer: LinearView) -> Range<Int> {
    let most = max(residency.pieceBytes / layer.panelBytes, 1)
    return panels.lowerBound..<panels.lowerBound + min(panels.count, most < 4 ? most : most / 4 * 4)
  }

  /// After a failure nothing more is read in this run: each further attempt may take seconds.
  @inline(never)
  private mutating func read(_ layer: LinearView, _ panels: Range<Int>) {
    let failed = residency.hasFailed + worker.index
    guard !failed.pointee else { return }
    let (offset, count) = place(of: layer, panels)
    let start = ce3_clock_ns()
    failed.pointee = ce3_read(residency.descriptor, offset, piece, count) != CE3_READING_OK
    ce3_drop(residency.descriptor, offset, count)
    waiting &+= ce3_clock_ns() &- start
  }

  private func place(of layer: LinearView, _ panels: Range<Int>) -> (offset: UInt64, count: Int) {
    (model.offset(of: layer) + UInt64(panels.lowerBound * layer.panelBytes), panels.count * layer.panelBytes)
  }
}

// MARK: Reading ahead

extension ExpertReading {
  /// Goes through the pieces as the computation does: batch by batch, first the layers that expand, then the others.
  private struct Cursor {
    /// Rows of a batch at most, and places of all.
    let limit: Int
    let total: Int
    var batch = 0..<0
    var expert = 0
    var contracts = true
    /// Panels that are left of the layer.
    var panels = 0..<0
  }

  /// Has the system read the next piece, if there is one.
  @inline(never)
  private mutating func readAhead(_ encoder: Encoder) {
    guard !residency.hasFailed[worker.index] else { return }
    while ahead.panels.isEmpty {
      guard nextLayer(encoder.space.routing) else { return }
    }
    let layer = aheadLayer
    let panels = firstPiece(of: ahead.panels, layer)
    ahead.panels = panels.upperBound..<ahead.panels.upperBound
    let (offset, count) = place(of: layer, panels)
    ce3_read_ahead(residency.descriptor, offset, count)
  }

  private var aheadLayer: LinearView {
    let layers = model.expert(block: block, index: ahead.expert)
    return ahead.contracts ? layers.contract : layers.expand
  }

  /// Moves to the next layer that is to be read; false after the last.
  private mutating func nextLayer(_ tables: RoutingTables) -> Bool {
    while true {
      var next = ahead.expert + 1
      if ahead.batch.isEmpty || next > tables.expert(at: ahead.batch.upperBound - 1) {
        if ahead.contracts {
          guard ahead.batch.upperBound < ahead.total else { return false }
          ahead.batch = tables.batch(from: ahead.batch.upperBound, atMost: ahead.limit, of: model.shape)
        }
        ahead.contracts.toggle()
        next = tables.expert(at: ahead.batch.lowerBound)
      }
      ahead.expert = next
      guard !tables.places(of: next).clamped(to: ahead.batch).isEmpty, reads(next) else { continue }
      ahead.panels = worker.panels(aheadLayer.panelCount)
      return true
    }
  }
}
