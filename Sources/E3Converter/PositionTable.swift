import E3Checkpoint
import E3Format
import E3Host

extension ExtentContents {
  /// What is added to the tokens before the first block, `[T][H16]`: the position embedding, and class token and
  /// register tokens in their rows.
  func positionTable() throws(FileError) -> [Float] {
    let hidden = shape.hiddenSize
    var rows: [Float]
    switch model.config.positionEmbedding {
    case .learned: rows = try model.values(of: ParameterNames.positionEmbedding)
    case .none: rows = [Float](repeating: 0, count: shape.tokenCount * hidden)
    case .sincos2d(let temperature):
      rows = [Float](repeating: 0, count: shape.prefixCount * hidden)
      rows += sincos2dPositions(
        Grid(height: shape.gridHeight, width: shape.gridWidth), hiddenSize: hidden, temperature: temperature)
    }
    if shape.hasClassToken { try add(ParameterNames.classToken, to: &rows, at: 0) }
    if shape.registerCount > 0 {
      try add(ParameterNames.registers, to: &rows, at: shape.prefixCount - shape.registerCount)
    }
    return paddedRows(rows, width: hidden)
  }

  /// Adds the vectors of the tensor `name` to the rows from `first` on.
  private func add(_ name: String, to rows: inout [Float], at first: Int) throws(FileError) {
    let start = first * shape.hiddenSize
    for (index, value) in try model.values(of: name).enumerated() {
      rows[start + index] += value
      guard rows[start + index].isFinite else {
        throw FileError(
          file: model.checkpoint.path, tensor: name,
          problem: "its sum with the position embedding overflows at index \(index)")
      }
    }
  }
}
