import E3Checkpoint
import E3Host

/// Images to tokens: patches through a linear layer, class token and registers in front, position embeddings.
struct Embedding {
  let model: any ModelParameters

  private var config: ModelConfig { model.config }

  /// - Parameter images: `[N][height][width][channels]`.
  /// - Returns: `[N*P][H]`, patches row by row. Pixels beyond the last whole patch are ignored.
  func patches(
    _ images: ArraySlice<Float>, count: Int, visitor: (any RowVisitor)?
  ) throws(FileError) -> Matrix {
    let kernel = try Linear(
      ParameterNames.embedding, inputs: config.patchValueCount, outputs: config.hiddenSize, from: model)
    let rowSize = config.imageWidth * config.channels
    let patchRowSize = config.patchWidth * config.channels
    var values: [Float] = []
    values.reserveCapacity(count * config.gridHeight * config.gridWidth * config.patchValueCount)
    for image in 0..<count {
      for y in 0..<config.gridHeight {
        for x in 0..<config.gridWidth {
          for row in y * config.patchHeight..<(y + 1) * config.patchHeight {
            let start = images.startIndex + (image * config.imageHeight + row) * rowSize + x * patchRowSize
            values += images[start..<start + patchRowSize]
          }
        }
      }
    }
    let patchCount = count * config.gridHeight * config.gridWidth
    var rows = Matrix(rows: patchCount, columns: config.patchValueCount, values: values)
    visitor?.visit(&rows, at: .patches)
    return kernel(rows)
  }

  /// - Parameter patches: `[N*P][H]`.
  /// - Returns: `[N*T][H]`.
  func tokens(_ patches: Matrix, count: Int) throws(FileError) -> Matrix {
    var prefix = config.hasClassToken ? try model.values(of: ParameterNames.classToken) : []
    if config.registerCount > 0 { prefix += try model.values(of: ParameterNames.registers) }
    let perImage = patches.rows / count * config.hiddenSize
    var values: [Float] = []
    for image in 0..<count {
      values += prefix
      values += patches.values[image * perImage..<(image + 1) * perImage]
    }
    let position = try position()  // [T][H]
    if !position.isEmpty { for i in values.indices { values[i] += position[i % position.count] } }
    return Matrix(rows: count * config.tokenCount, columns: config.hiddenSize, values: values)
  }

  private func position() throws(FileError) -> [Float] {
    switch config.positionEmbedding {
    case .none: []
    case .learned: try model.values(of: ParameterNames.positionEmbedding)
    case .sincos2d(let temperature):
      [Float](repeating: 0, count: config.prefixCount * config.hiddenSize)
        + sincos2dPositions(
          Grid(height: config.gridHeight, width: config.gridWidth), hiddenSize: config.hiddenSize,
          temperature: temperature)
    }
  }
}
