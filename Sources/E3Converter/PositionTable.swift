import E3Checkpoint
import E3Format
import E3Host

extension ExtentContents {
  /// What is added to the tokens before the first block, `[T][H16]`: the position embedding, and the class token in row 0.
  func positionTable() throws(FileError) -> [Float] {
    let hidden = shape.hidden
    var rows: [Float]
    switch model.config.positionEmbedding {
    case .learned: rows = try model.values(of: ParameterNames.positionEmbedding)
    case .none: rows = [Float](repeating: 0, count: shape.tokenCount * hidden)
    case .sincos2d(let temperature):
      let leading = shape.hasClassToken ? 1 : 0
      rows = [Float](repeating: 0, count: leading * hidden)
      rows += sincos2dPositions(
        Grid(height: shape.gridHeight, width: shape.gridWidth), hiddenSize: hidden, temperature: temperature)
    }
    if shape.hasClassToken {
      let token = try model.values(of: ParameterNames.classToken)
      for i in 0..<hidden {
        rows[i] += token[i]
        guard rows[i].isFinite else {
          throw FileError(
            file: model.checkpoint.path, tensor: ParameterNames.classToken,
            problem: "its sum with the position embedding overflows at index \(i)")
        }
      }
    }
    return paddedRows(rows, width: hidden)
  }
}
