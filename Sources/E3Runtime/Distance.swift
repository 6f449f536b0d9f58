import CE3Kernels
import E3Format

/// Buffers for the distances of representations; only where the file carries the statistics.
struct DistanceBuffers {
  /// [M][R]: representations less the centre.
  let centred: FloatRows
  /// [2M][R]: whitened as the classes of each member, then as the background.
  let whitened: FloatRows
  /// [M][C]: squared distances from the classes.
  let squares: FloatRows
  /// [M]: squared distances from the background.
  let backgroundSquares: UnsafeMutablePointer<Float>
  /// [R16] zeros: the background's mean.
  let zeros: UnsafeMutablePointer<Float>

  init(_ shape: ModelShape, zeros: UnsafeMutablePointer<Float>, in arena: inout Arena) {
    self.zeros = zeros
    centred = arena.takeRows(shape.memberCount, width: shape.representation)
    whitened = arena.takeRows(shape.memberCount, times: 2, width: shape.representation)
    squares = arena.takeRows(shape.memberCount, width: shape.classCount)
    backgroundSquares = arena.take(Float.self, shape.memberCount)
  }
}

extension Encoder {
  /// The vectors that the head reads, one for each member.
  var representations: FloatRows { space.representation }

  /// space.distance = squared Mahalanobis distances of the representations, from each class and from the background.
  func measureDistances(_ buffers: DistanceBuffers) {
    let members = shape.memberCount
    for member in worker.share(of: members) {
      kernels.table.pointee.subtract(
        representations.row(member), model.statistics(member: member).centre, shape.representation,
        buffers.centred.row(member))
    }
    worker.barrier()

    // Panels grow along the triangle: dealt out in turn, every worker gets long and short ones.
    let panelCount = shape.representationPadded / 16
    for item in stride(from: worker.index, to: 2 * members * panelCount, by: worker.count) {
      let (row, panel) = (item / panelCount, item % panelCount)
      let statistics = model.statistics(member: row % members)
      let whitening = row < members ? statistics.classes : statistics.background
      kernels.table.pointee.float_gemm(
        buffers.centred.row(row % members), buffers.centred.stride, 1, WhiteningView.inputs(ofPanel: panel),
        whitening.panel(panel), 1, nil, buffers.whitened.row(row) + 16 * panel, buffers.whitened.stride)
    }
    worker.barrier()

    let mine = worker.share(of: members * shape.classCount, unit: 4)
    for member in 0..<members {
      let part = mine.clamped(to: member * shape.classCount..<(member + 1) * shape.classCount)
      guard !part.isEmpty else { continue }
      let first = part.lowerBound - member * shape.classCount
      kernels.table.pointee.squared_distances(
        buffers.whitened.row(member),
        model.statistics(member: member).classMeans + first * shape.representationPadded, shape.representationPadded,
        part.count, shape.representation, buffers.squares.row(member) + first)
    }
    for member in worker.share(of: members) {
      kernels.table.pointee.squared_distances(
        buffers.whitened.row(members + member), buffers.zeros, shape.representationPadded, 1, shape.representation,
        buffers.backgroundSquares + member)
    }
    worker.barrier()
  }

  /// Keeps what ``AnswerSpace/combineDistances(members:)`` reads of this network's members.
  func keepDistances(_ buffers: DistanceBuffers, in answer: AnswerSpace) {
    for member in 0..<shape.memberCount {
      let squares = buffers.squares.row(member)
      var nearest = Float.infinity
      for index in 0..<shape.classCount where squares[index] < nearest { nearest = squares[index] }
      answer.nearest[model.firstMember + member] = nearest
      answer.relative[model.firstMember + member] = nearest - buffers.backgroundSquares[member]
    }
  }
}

extension AnswerSpace {
  /// The members' distances as one, and relative to the background; see `e3_result`. Infinite where a float overflowed.
  func combineDistances(members: Int) -> (distance: Float, relative: Float) {
    var (sum, relative): (Float, Float) = (0, 0)
    for member in 0..<members {
      sum += nearest[member]
      relative += self.relative[member]
    }
    let count = Float(members)
    // Infinity less infinity is a NaN, and the bits of a NaN differ from CPU to CPU. Infinite says the same: unknown.
    let mean = relative / count
    return ((sum / count).squareRoot(), mean.isFinite ? mean : .infinity)
  }
}
