import CE3
import CE3Kernels
import E3Format

// Learned classes in a run: E3Format/CLASSES.md, "Features" and "Deciding".

extension Encoder {
  /// features = the means of the tokens that enter the last block over the cells of the grid. Workers share the cells;
  /// the barriers of the attention that follows come before anything else is done with either.
  func poolFeatures(_ learned: LearnedBuffers, sequences: Int) {
    guard let classes = learned.state.pointee.classes else { return }
    let (height, width) = (shape.gridHeight, shape.gridWidth)
    let (lines, columns) = (min(classes.layout.grid, height), min(classes.layout.grid, width))
    let scratch = learned.lines.rows(worker.index * height..<(worker.index + 1) * height)
    for cell in worker.share(of: sequences * lines * columns) {
      let (sequence, line, column) = (cell / (lines * columns), cell / columns % lines, cell % columns)
      let rows = line * height / lines..<(line + 1) * height / lines
      let (first, end) = (column * width / columns, (column + 1) * width / columns)
      let out = learned.features.start + cell * shape.hiddenSizePadded
      for row in rows {
        let token = sequence * shape.tokenCount + shape.prefixCount + row * width + first
        kernels.table.pointee.mean_rows(
          space.residual.row(token), space.residual.stride, end - first, shape.hiddenSizePadded,
          rows.count == 1 ? out : scratch.row(row - rows.lowerBound))
      }
      if rows.count > 1 {
        kernels.table.pointee.mean_rows(scratch.start, scratch.stride, rows.count, shape.hiddenSizePadded, out)
      }
    }
  }

  /// Compares the frame with the attached classes, of which one may become the answer.
  func compare(_ learned: LearnedBuffers, with result: inout e3_result) {
    guard let classes = learned.state.pointee.classes, let distance = space.distance else { return }
    let layout = classes.layout
    let cells = FloatRows(
      start: learned.features.start, stride: shape.hiddenSizePadded, count: layout.features / shape.hiddenSizePadded)
    layerNorm(.norm0, block: shape.layerCount - 1, cells, normalized: cells)
    var square: Float = 0
    kernels.table.pointee.squared_distances(
      learned.features.start, learned.zeros, layout.features, 1, layout.features, &square)
    let length = square.squareRoot()
    guard length > 1e-30, length.isFinite else { return }
    learned.state.pointee.length = length
    kernels.quantize(learned.features, width: layout.features, into: learned.quantized)
    kernels.product(
      learned.quantized, UnsafePointer(classes.panels), inputs: layout.features, panelCount: layout.panelCount,
      epilogue: E3K_STORE,
      into: FloatRows(start: learned.products, stride: Int(E3_MAX_LEARNED_CLASSES), count: 1))

    guard let nearest = nearest(learned, classes, length: length) else { return }
    let record = classes.record(nearest.index)
    result.nearest_learned_class = UInt32(nearest.index)
    (result.learned_distance, result.learned_radius) = (nearest.distance, record.radius)
    guard nearest.distance <= record.radius,
      isNearer(distance, classes, nearest.index, pictures: Float(record.pictures))
    else { return }
    result.learned_class = UInt32(nearest.index)
    result.decision = e3_decision(
      record.pictures >= UInt32(E3_CLASS_FEWEST_PICTURES) ? E3_DECISION_ACCEPT : E3_DECISION_UNSURE)
  }

  /// The learned class with the smallest distance, the lowest index on a tie.
  private func nearest(
    _ learned: LearnedBuffers, _ classes: Classes, length: Float
  ) -> (index: Int, distance: Float)? {
    func cosine(_ index: Int) -> Float { learned.products[index] / (length * classes.record(index).norm) }
    let shared = classes.unlike.map { cosine($0) } ?? 0
    var best: (index: Int, distance: Float)?
    for index in 0..<classes.count {
      let record = classes.record(index)
      guard record.kind == UInt32(E3_CLASS_LEARNED), record.pictures > 0 else { continue }
      // The cosine of what is left of both when the share of the unlike pictures is taken away.
      let rest = (1 - record.unlike_cosine * record.unlike_cosine) * (1 - shared * shared)
      guard rest > 1e-6 else { continue }
      let distance = 1 - (cosine(index) - record.unlike_cosine * shared) / rest.squareRoot()
      if distance.isFinite, distance < best?.distance ?? .infinity { best = (index, max(0, min(2, distance))) }
    }
    return best
  }

  /// Whether the representations are nearer to the mean of a class's `pictures` than to every class of the model. The mean
  /// of few pictures is itself off, by 1 / pictures of their variance.
  private func isNearer(_ distance: DistanceBuffers, _ classes: Classes, _ index: Int, pictures: Float) -> Bool {
    var (learned, known): (Float, Float) = (0, 0)
    for member in 0..<shape.memberCount {
      var square: Float = 0
      kernels.table.pointee.squared_distances(
        distance.whitened.row(member), classes.mean(index) + member * classes.layout.meanWidth,
        classes.layout.meanWidth, 1, shape.headInputSize, &square)
      learned += square
      var nearest = Float.infinity
      let squares = distance.squares.row(member)
      for other in 0..<shape.classCount where squares[other] < nearest { nearest = squares[other] }
      known += nearest
    }
    return learned < known * (1 + 1 / pictures)
  }

  /// Takes the last run as one more picture of a class.
  ///
  /// - Throws: `noFeatures`, `indexRange`, `classesFull`.
  func learn(_ learned: LearnedBuffers, _ index: Int) throws(E3Error) {
    guard let classes = learned.state.pointee.classes, let distance = space.distance,
      learned.state.pointee.length > 0
    else { throw .noFeatures }
    for member in 0..<shape.memberCount {
      for column in 0..<shape.headInputSize where !distance.whitened.row(member)[column].isFinite {
        throw .noFeatures
      }
    }
    try classes.learn(
      index, learned.features.start, length: learned.state.pointee.length,
      representations: distance.whitened.start, stride: distance.whitened.stride)
  }
}
