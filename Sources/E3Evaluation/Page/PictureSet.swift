import E3
import E3DataSets
import E3Host
import E3Metrics

/// The images of a data set with everything that was answered to them, to choose pictures from.
struct PictureSet {
  let images: DataSet
  let answers: Answers
  /// Of the float path; nil unless it was asked for.
  let floats: Answers?
  /// True classes; nil for images that are not what the model was trained for.
  let labels: [Int]?
  /// `[N]` most probable classes and their probabilities, tempered where the file is calibrated.
  private let answered: [(topClass: Int, confidence: Float)]

  init(images: DataSet, answers: Answers, floats: Answers?, labels: [Int]?) {
    (self.images, self.answers, self.floats, self.labels) = (images, answers, floats, labels)
    let all = answers.calibrated?.probabilities ?? answers.meanProbabilities
    answered = (0..<answers.count).map { index in
      let row = all[index * answers.classCount..<(index + 1) * answers.classCount]
      let top = E3Metrics.topClass(of: row)
      return (top, row[row.startIndex + top])
    }
  }

  /// `[C]` of image `index`: the mean of the members, tempered where the file is calibrated.
  func probabilities(_ index: Int) -> ArraySlice<Float> {
    let all = answers.calibrated?.probabilities ?? answers.meanProbabilities
    return all[index * answers.classCount..<(index + 1) * answers.classCount]
  }

  func topClass(_ index: Int) -> Int { answered[index].topClass }
  func confidence(_ index: Int) -> Float { answered[index].confidence }

  /// Nil without a calibration.
  func decision(_ index: Int) -> Decision? { answers.calibrated?.decisions[index] }

  /// Images whose most probable class is not the true one, the most confident first.
  var mistakes: [Int] {
    guard let labels else { return [] }
    return ordered(labels.indices.filter { topClass($0) != labels[$0] }) { -Double(confidence($0)) }
  }

  /// All images, the largest entropy first.
  var leastCertain: [Int] { ordered(Array(0..<answers.count)) { -answers.totalEntropy[$0] } }

  /// Images that were called unknown, the farthest first.
  var unknown: [Int] { ordered(images(with: .unknown)) { -answers.unknownScore[$0] } }

  /// Images that were accepted, the most confident first; without a calibration all of them.
  var accepted: [Int] {
    let chosen = answers.calibrated == nil ? Array(0..<answers.count) : images(with: .accept)
    return ordered(chosen) { -Double(confidence($0)) }
  }

  /// Images to which the float path answers another class, those first whose probabilities are farthest apart.
  var differing: [Int] {
    guard let floats else { return [] }
    return ordered((0..<answers.count).filter { Self.top(floats, $0) != Self.top(answers, $0) }) {
      -variation($0, floats)
    }
  }

  /// For each class the image that is rightly and most confidently said to be of it; nil where there is none.
  var examples: [Int?] {
    var best = [Int?](repeating: nil, count: answers.classCount)
    for (index, label) in (labels ?? []).enumerated() where topClass(index) == label {
      if best[label].map({ confidence($0) < confidence(index) }) ?? true { best[label] = index }
    }
    return best
  }

  /// Half the sum of the absolute differences to the float path's untempered probabilities.
  func variation(_ index: Int, _ floats: Answers) -> Double {
    zip(floats.mean(index), answers.mean(index)).reduce(0) { $0 + Double(abs($1.0 - $1.1)) } / 2
  }

  private func images(with decision: Decision) -> [Int] {
    (0..<answers.count).filter { answers.calibrated?.decisions[$0] == decision }
  }

  private static func top(_ answers: Answers, _ index: Int) -> Int { E3Metrics.topClass(of: answers.mean(index)) }

  /// `chosen` by rising `key`; equals stay in the data set's order, and what is no number comes last.
  private func ordered(_ chosen: [Int], by key: (Int) -> Double) -> [Int] {
    let keyed = chosen.map { index -> (key: Double, index: Int) in
      let key = key(index)
      return (key.isNaN ? .infinity : key, index)
    }
    return keyed.sorted { ($0.key, $0.index) < ($1.key, $1.index) }.map(\.index)
  }
}

extension Answers {
  /// `[C]` untempered mean of image `index`.
  func mean(_ index: Int) -> ArraySlice<Float> { meanProbabilities[index * classCount..<(index + 1) * classCount] }

  /// `[C]` of a member for image `index`.
  func member(_ member: Int, _ index: Int) -> ArraySlice<Float> {
    let start = (index * memberCount + member) * classCount
    return memberProbabilities[start..<start + classCount]
  }
}
