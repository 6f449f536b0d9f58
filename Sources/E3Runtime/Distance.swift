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
  /// Whether representations are divided by their length before distances are measured.
  let hasUnitLength: Bool

  init(_ shape: ModelShape, zeros: UnsafeMutablePointer<Float>, hasUnitLength: Bool, in arena: inout Arena) {
    (self.zeros, self.hasUnitLength) = (zeros, hasUnitLength)
    centred = arena.takeRows(shape.memberCount, width: shape.headInputSize)
    whitened = arena.takeRows(shape.memberCount, times: 2, width: shape.headInputSize)
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
      let row = buffers.centred.row(member)
      if buffers.hasUnitLength { divideByLength(representations.row(member), zeros: buffers.zeros, into: row) }
      kernels.table.pointee.subtract(
        buffers.hasUnitLength ? row : representations.row(member), model.statistics(member: member).centre,
        shape.headInputSize, row)
    }
    worker.barrier()

    // Panels grow along the triangle: dealt out in turn, every worker gets long and short ones.
    let panelCount = panelCount(shape.headInputSizePadded)
    for item in stride(from: worker.index, to: 2 * members * panelCount, by: worker.count) {
      let (row, panel) = (item / panelCount, item % panelCount)
      let statistics = model.statistics(member: row % members)
      let whitening = row < members ? statistics.classes : statistics.background
      kernels.table.pointee.float_gemm(
        buffers.centred.row(row % members), buffers.centred.stride, 1, WhiteningView.inputs(ofPanel: panel),
        whitening.panel(panel), 1, nil, buffers.whitened.row(row) + panelChannels * panel, buffers.whitened.stride)
    }
    worker.barrier()

    let mine = worker.share(of: members * shape.classCount, unit: 4)
    for member in 0..<members {
      let part = mine.clamped(to: member * shape.classCount..<(member + 1) * shape.classCount)
      guard !part.isEmpty else { continue }
      let first = part.lowerBound - member * shape.classCount
      kernels.table.pointee.squared_distances(
        buffers.whitened.row(member),
        model.statistics(member: member).classMeans + first * shape.headInputSizePadded, shape.headInputSizePadded,
        part.count, shape.headInputSize, buffers.squares.row(member) + first)
    }
    for member in worker.share(of: members) {
      kernels.table.pointee.squared_distances(
        buffers.whitened.row(members + member), buffers.zeros, shape.headInputSizePadded, 1, shape.headInputSize,
        buffers.backgroundSquares + member)
    }
    worker.barrier()
  }

  /// A representation of length 0, or one too large for a float, gives NaNs, which are in the end infinitely far away.
  private func divideByLength(
    _ representation: UnsafePointer<Float>, zeros: UnsafePointer<Float>, into row: UnsafeMutablePointer<Float>
  ) {
    var square: Float = 0
    kernels.table.pointee.squared_distances(
      representation, zeros, shape.headInputSizePadded, 1, shape.headInputSize, &square)
    let length = square.isFinite ? square.squareRoot() : .nan
    // With the zeros up to a multiple of 16, which the products that follow read.
    for column in 0..<shape.headInputSizePadded { row[column] = representation[column] / length }
  }

  /// Keeps what ``AnswerSpace/combineDistances(members:score:)`` reads of this network's members.
  func keepDistances(_ buffers: DistanceBuffers, in answer: AnswerSpace) {
    for member in 0..<shape.memberCount {
      let squares = buffers.squares.row(member)
      var nearest = Float.infinity
      for index in 0..<shape.classCount where squares[index] < nearest { nearest = squares[index] }
      answer.nearest[model.firstMember + member] = nearest
      answer.background[model.firstMember + member] = buffers.backgroundSquares[member]
    }
  }
}

/// An answer's distances; see `e3_result`.
struct Distances {
  /// Infinite where a float overflowed, as the others.
  var nearest, relative: Float
  /// What the file's score adds an uncertainty to.
  var weighted: Float
}

extension AnswerSpace {
  /// The members' distances as one.
  func combineDistances(members: Int, score: UnknownScore) -> Distances {
    var sum = Distances(nearest: 0, relative: 0, weighted: 0)
    for member in 0..<members {
      sum.nearest += nearest[member]
      sum.relative += nearest[member] - background[member]
      sum.weighted += nearest[member] - score.backgroundWeight * background[member]
    }
    let count = Float(members)
    return Distances(
      nearest: (sum.nearest / count).squareRoot(), relative: finiteOrInfinite(sum.relative / count),
      weighted: finiteOrInfinite(sum.weighted / count))
  }

  /// Infinity less infinity is a NaN, and the bits of a NaN differ from CPU to CPU. Infinite says the same: unknown.
  private func finiteOrInfinite(_ value: Float) -> Float { value.isFinite ? value : .infinity }
}
