import E3Format

/// What an answer is made of, in the arena: the outputs of all networks of a file, member by member, and what they share
/// before. M is the number of members of all networks.
struct AnswerSpace {
  /// [threads]: 1 where a worker met a number that is not finite in this network.
  let notFinite: UnsafeMutablePointer<UInt32>
  /// Nil where the recipe is not Pillow's.
  let filterTables: FilterTables?
  /// [M][C], padded rows: logits, then probabilities.
  let logits: FloatRows
  /// [M][R], for the largest R of the networks: what the head reads, then zeros.
  let representations: FloatRows
  /// [M]: squared distances from the nearest class and from the background. Empty where the file has no statistics, as the
  /// next.
  let nearest: UnsafeMutablePointer<Float>
  let background: UnsafeMutablePointer<Float>
  /// [1][R] zeros: the background's mean.
  let zeros: FloatRows
  let result: ResultBuffers

  /// - Parameter representation: the largest R.
  init(_ model: ModelFile, representation: Int, options: SessionOptions, in arena: inout Arena) {
    let (shape, members) = (model.shape, model.memberCount)
    notFinite = arena.take(UInt32.self, options.threads)
    filterTables = shape.resizeMethod == .pillow ? FilterTables(shape, in: &arena) : nil
    logits = arena.takeRows(members, width: shape.classCount)
    representations = arena.takeRows(members, width: representation)
    let measured = model.hasStatistics ? members : 0
    nearest = arena.take(Float.self, measured)
    background = arena.take(Float.self, measured)
    zeros = arena.takeRows(model.hasStatistics ? 1 : 0, width: representation)
    result = ResultBuffers(model, in: &arena)
  }

  /// To be called once, when the memory is there.
  func clear() {
    filterTables?.clear()
    representations.start.update(repeating: 0, count: representations.count * representations.stride)
    zeros.start.update(repeating: 0, count: zeros.count * zeros.stride)
  }
}

/// What the answer points into.
struct ResultBuffers {
  /// [M][C]
  let memberLogits: UnsafeMutablePointer<Float>
  /// [M][C]
  let memberProbabilities: UnsafeMutablePointer<Float>
  /// [C], padded with zeros to a multiple of 16
  let probabilities: UnsafeMutablePointer<Float>
  /// [M]: entropy of each member's probabilities
  let memberEntropies: UnsafeMutablePointer<Float>
  /// [M]: most probable class of each member
  let memberClasses: UnsafeMutablePointer<UInt32>
  /// [C]: the prediction set; nil where the file is not calibrated
  let predictionSet: UnsafeMutablePointer<UInt32>?

  init(_ model: ModelFile, in arena: inout Arena) {
    let (shape, members) = (model.shape, model.memberCount)
    memberLogits = arena.take(Float.self, members, times: shape.classCount)
    memberProbabilities = arena.take(Float.self, members, times: shape.classCount)
    probabilities = arena.take(Float.self, shape.classCountPadded)
    memberEntropies = arena.take(Float.self, members)
    memberClasses = arena.take(UInt32.self, members)
    predictionSet = model.calibration == nil ? nil : arena.take(UInt32.self, shape.classCount)
  }
}
