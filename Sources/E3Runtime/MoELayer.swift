import CE3Kernels
import E3Format

/// The tokens that enter a MoE layer.
struct MoEInput {
  /// Tokens of each member: T, or 1 when only the first token is needed.
  let tokens: Int
  /// Tokens of the image are the same for all members (first MoE layer): source row t serves every member.
  let isShared: Bool

  /// Row of LN1's output that token `row` of the M * tokens rows comes from.
  func sourceRow(_ row: Int) -> Int { isShared ? row % tokens : row }
}

extension Encoder {
  /// rows = rows + MoE(LN1(rows)): router, experts, combination weighted with the gates.
  ///
  /// - Parameter rows: M * tokens rows; when `input.isShared` only the first `tokens` of them are filled yet.
  func moe(block: Int, rows: FloatRows, input: MoEInput) {
    let sourceCount = input.isShared ? input.tokens : rows.count
    let normalized = space.normalized.rows(0..<sourceCount)
    let quantized = space.quantized.reshaped(width: shape.hiddenSize, count: sourceCount)
    let mine = worker.share(of: sourceCount)
    layerNorm(
      .norm1, block: block, rows.rows(mine), normalized: normalized.rows(mine), quantized: quantized.rows(mine))
    worker.barrier()

    route(block: block, normalized: normalized, rowCount: rows.count, input: input)
    if input.isShared { copySequence(rows, tokens: input.tokens) }
    worker.barrier()
    if worker.index == 0 {
      space.routing.applyCapacity(tokens: input.tokens, shape: shape)
      space.routing.groupByExpert(rowCount: rows.count, shape: shape)
    }
    worker.barrier()
    mark(.routing)

    runExperts(block: block, quantized: quantized, rows: rows, input: input)
    mark(.experts)
  }

  /// Gates and choices of this worker's share of the rows.
  private func route(block: Int, normalized: FloatRows, rowCount: Int, input: MoEInput) {
    let tables = space.routing
    let mine = worker.share(of: rowCount)
    for member in 0..<shape.memberCount {
      let memberRows = member * input.tokens..<(member + 1) * input.tokens
      let part = mine.clamped(to: memberRows)
      guard !part.isEmpty else { continue }
      let source = input.isShared ? part.lowerBound - memberRows.lowerBound : part.lowerBound
      let gates = tables.gates.rows(part)
      let router = model.router(block: block, member: member)
      kernels.floatLinear(
        normalized.rows(source..<source + part.count), router, panels: 0..<router.panelCount, into: gates)
      kernels.softmax(gates, width: shape.expertsPerMember)
      let record = space.routingRecord
      for row in part {
        if record.isEnabled { record.keepGates(block: block, row: row, tables.gates.row(row), shape: shape) }
        tables.chooseExperts(row: row, member: member, shape: shape)
        guard record.isEnabled else { continue }
        record.keepExperts(block: block, row: row, tables.experts + row * shape.selectedExperts, shape: shape)
      }
    }
  }

  /// From here on every member has its own sequence: copies the tokens of member 0 to the others.
  private func copySequence(_ rows: FloatRows, tokens: Int) {
    for row in worker.share(of: rows.count) where row >= tokens {
      rows.row(row).copy(from: rows.row(row % tokens), count: shape.hiddenSizePadded)
    }
  }

  /// Every worker computes its columns of every expert, so no routing can leave one of them idle; each row receives its
  /// experts in ascending order. Experts go through both layers a batch at a time, which keeps the hidden rows in a
  /// cache.
  private func runExperts(block: Int, quantized: QuantizedRows, rows: FloatRows, input: MoEInput) {
    let tables = space.routing
    let total = Int(tables.starts[shape.expertCount])
    var reading = residency.map { ExpertReading(self, residency: $0, block: block, total: total) }
    let gathered = space.assigned.rows(0..<total)
    for place in worker.share(of: total) {
      let source = input.sourceRow(Int(tables.rows[place]))
      (gathered.bytes + place * gathered.stride).copy(
        from: quantized.bytes + source * quantized.stride, count: shape.hiddenSizePadded)
      gathered.ranges[place] = quantized.ranges[source]
    }
    worker.barrier()

    var left = 0..<total
    while !left.isEmpty {
      let batch = tables.batch(from: left.lowerBound, atMost: space.hidden.count, of: shape)
      left = batch.upperBound..<total
      let next =
        left.isEmpty
        ? firstPanel(ofBlock: block + 1)
        : worker.firstPanel(of: model.expert(block: block, index: tables.expert(at: left.lowerBound)).expand)
      runBatch(batch, block: block, gathered: gathered, rows: rows, next: next, reading: &reading)
    }
    worker.barrier()
    if worker.index == 0, let residency, let reading {
      reading.end(tables)
      residency.layers[model.firstMoELayer + shape.moeBlocks(before: block)] = reading.summary(tables)
    }
  }

  /// Both layers of the experts of the places in `batch`; the weights at `next` come after them. Needs no barrier at
  /// its end: the next batch overwrites what this one still reads only after a barrier of its own.
  ///
  /// - Parameter reading: Of the experts that are not in memory; nil where all are mapped.
  private func runBatch(
    _ batch: Range<Int>, block: Int, gathered: QuantizedRows, rows: FloatRows, next: UnsafePointer<UInt8>?,
    reading: inout ExpertReading?
  ) {
    let tables = space.routing
    let experts = tables.expert(at: batch.lowerBound)..<tables.expert(at: batch.upperBound - 1) + 1
    for expert in experts {
      let places = tables.places(of: expert).clamped(to: batch)
      guard !places.isEmpty else { continue }
      let layer = model.expert(block: block, index: expert).expand
      let output = space.hidden.rows(places.lowerBound - batch.lowerBound..<places.upperBound - batch.lowerBound)
      if reading?.reads(expert) == true {
        reading?.forEachPiece(of: layer, self) { piece, column in
          kernels.linear(
            gathered.rows(places), piece, panels: 0..<piece.panelCount, epilogue: E3K_STORE,
            into: output.columns(from: column))
        }
        continue
      }
      let following =
        tables.firstUsed(in: expert + 1..<experts.upperBound).map { model.expert(block: block, index: $0).expand }
        ?? model.expert(block: block, index: experts.lowerBound).contract
      kernels.linear(
        gathered.rows(places), layer, panels: worker.panels(layer.panelCount), epilogue: E3K_STORE, into: output,
        next: worker.firstPanel(of: following))
    }
    worker.barrier()

    let hidden = activateHidden(count: batch.count, width: shape.expertMLPSize)
    for expert in experts {
      let places = tables.places(of: expert).clamped(to: batch)
      guard !places.isEmpty else { continue }
      let layer = model.expert(block: block, index: expert).contract
      let input = hidden.rows(places.lowerBound - batch.lowerBound..<places.upperBound - batch.lowerBound)
      let (gates, tokens) = (tables.rowGates + places.lowerBound, tables.rows + places.lowerBound)
      if reading?.reads(expert) == true {
        reading?.forEachPiece(of: layer, self) { piece, column in
          kernels.linearGated(
            input, piece, panels: 0..<piece.panelCount, gates: gates, rows: tokens, into: rows.columns(from: column),
            next: nil)
        }
        continue
      }
      let following = tables.firstUsed(in: expert + 1..<experts.upperBound).map {
        worker.firstPanel(of: model.expert(block: block, index: $0).contract)
      }
      kernels.linearGated(
        input, layer, panels: worker.panels(layer.panelCount), gates: gates, rows: tokens, into: rows,
        next: following ?? next)
    }
  }
}
