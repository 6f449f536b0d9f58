import CE3
import CE3Kernels
import E3Format

extension Encoder {
  /// From this network's logits to the parts of the answer that are its members' own: their probabilities, classes and
  /// distances.
  ///
  /// - Throws: `resultNotFinite` when the weights gave a NaN or an infinity, here or anywhere on the way.
  func keepMembers(in answer: AnswerSpace) throws(E3Error) {
    let buffers = answer.result
    let logits = space.logits
    let (members, classes) = (shape.memberCount, shape.classCount)
    for index in 0..<worker.count where answer.notFinite[index] != 0 { throw .resultNotFinite }
    for member in 0..<members {
      for index in 0..<classes where !logits.row(member)[index].isFinite { throw .resultNotFinite }
      (buffers.memberLogits + (model.firstMember + member) * classes).copy(from: logits.row(member), count: classes)
    }
    kernels.softmax(logits.rows(0..<members), width: classes)
    for member in 0..<members {
      let probabilities = logits.row(member)
      let place = model.firstMember + member
      (buffers.memberProbabilities + place * classes).copy(from: probabilities, count: classes)
      buffers.memberEntropies[place] = kernels.table.pointee.entropy(probabilities, classes)
      buffers.memberClasses[place] = UInt32(largest(probabilities, count: classes))
    }
    if let distance = space.distance { keepDistances(distance, in: answer) }
  }
}

/// The answer of a file: of the members of all its networks, which count alike, or of the first ones.
struct Answer {
  let model: ModelFile
  /// Those that answered.
  let members: Int
  let kernels: Kernels
  let space: AnswerSpace

  /// What the members' parts say together: the mean of their probabilities, how much they differ, and what to do.
  func result() -> e3_result {
    let buffers = space.result
    let classes = model.shape.classCount
    var expected: Float = 0
    for member in 0..<members { expected += buffers.memberEntropies[member] }
    expected /= Float(members)
    let logits = space.logits
    kernels.table.pointee.mean_rows(
      logits.start, logits.stride, members, model.shape.classCountPadded, buffers.probabilities)

    let total = kernels.table.pointee.entropy(buffers.probabilities, classes)
    let calibration = model.calibration
    if let calibration { temper(buffers.probabilities, by: calibration.temperature) }
    let top = largest(buffers.probabilities, count: classes)
    let topProbability = buffers.probabilities[top]
    var result = e3_result()
    result.classes = UInt32(classes)
    result.members = UInt32(members)
    result.top_class = UInt32(top)
    result.probabilities = UnsafePointer(buffers.probabilities)
    result.member_logits = UnsafePointer(buffers.memberLogits)
    result.member_probabilities = UnsafePointer(buffers.memberProbabilities)
    result.top_probability = topProbability
    result.total_entropy = total
    result.expected_entropy = expected
    result.mutual_information = max(total - expected, 0)
    result.disagreement = disagreement(buffers.memberClasses, count: members)
    (result.distance, result.relative_distance, result.unknown_score) = (.nan, .nan, .nan)
    if model.hasStatistics, let calibration {
      let score = UnknownScore(calibration)
      let distances = space.combineDistances(members: members, score: score)
      (result.distance, result.relative_distance) = (distances.nearest, distances.relative)
      result.unknown_score = score.score(
        distance: distances.weighted, entropy: total, mutualInformation: result.mutual_information)
    }
    let isAccepted = topProbability >= UncalibratedDecision.acceptProbability
    result.decision = e3_decision(isAccepted ? E3_DECISION_ACCEPT : E3_DECISION_UNSURE)
    if let calibration, let set = buffers.predictionSet {
      result.decision = decide(calibration, topProbability: topProbability, unknownScore: result.unknown_score)
      result.prediction_set = UnsafePointer(set)
      result.prediction_set_count = UInt32(
        collectPredictionSet(calibration, buffers.probabilities, top: top, into: set))
    }
    (result.learned_class, result.nearest_learned_class) = (E3_NO_CLASS, E3_NO_CLASS)
    (result.learned_distance, result.learned_radius) = (.nan, .nan)
    result.representation_stride = UInt32(space.representations.stride)
    result.representations = UnsafePointer(space.representations.start)
    return result
  }

  /// Share of the member pairs whose top classes differ.
  private func disagreement(_ classes: UnsafePointer<UInt32>, count: Int) -> Float {
    guard count > 1 else { return 0 }
    var differing = 0
    for first in 0..<count {
      for second in first + 1..<count where classes[first] != classes[second] { differing += 1 }
    }
    return Float(differing) / Float(count * (count - 1) / 2)
  }
}

/// Index of the largest of `count` values, the lowest on a tie.
private func largest(_ values: UnsafePointer<Float>, count: Int) -> Int {
  var best = 0
  for index in 1..<max(count, 1) where values[index] > values[best] { best = index }
  return best
}
