import CE3
import CE3Kernels
import E3Format

extension Answer {
  /// probabilities = probabilities^(1/T), normalised: softmax(log(p) / T).
  func temper(_ probabilities: UnsafeMutablePointer<Float>, by temperature: Float) {
    kernels.table.pointee.scaled_log(probabilities, model.shape.classCountPadded, 1 / temperature)
    kernels.softmax(
      FloatRows(start: probabilities, stride: model.shape.classCountPadded, count: 1), width: model.shape.classCount)
  }

  /// What a calibrated file says to do with the answer.
  func decide(_ calibration: e3_file_calibration, topProbability: Float, unknownScore: Float) -> e3_decision {
    // Without statistics the score is a NaN, which is above nothing.
    if unknownScore > calibration.unknown_threshold { return e3_decision(E3_DECISION_UNKNOWN) }
    return e3_decision(topProbability >= calibration.accept_threshold ? E3_DECISION_ACCEPT : E3_DECISION_UNSURE)
  }

  /// set = the classes that fit as well as their threshold says, most probable first, and the top class in any case;
  /// returns their number.
  func collectPredictionSet(
    _ calibration: e3_file_calibration, _ probabilities: UnsafePointer<Float>, top: Int,
    into set: UnsafeMutablePointer<UInt32>
  ) -> Int {
    let (score, thresholds) = (SetScore(calibration), model.setThresholds)
    var count = 0
    for index in 0..<model.shape.classCount {
      let threshold = thresholds?[index] ?? calibration.set_threshold
      guard score.isAdaptive || index == top || probabilities[index] >= threshold else { continue }
      set[count] = UInt32(index)
      count += 1
    }
    PredictionSetOrder(probabilities: probabilities).sort(set, count: count)
    guard score.isAdaptive else { return count }
    // All classes, in order: those that stay move up.
    count = 0
    var mass: Float = 0
    for rank in 0..<model.shape.classCount {
      let index = Int(set[rank])
      let fit = score.score(mass: mass, rank: rank)
      mass += probabilities[index]
      let threshold = thresholds?[index] ?? calibration.set_threshold
      guard rank == 0 || fit <= threshold else { continue }
      set[count] = UInt32(index)
      count += 1
    }
    return count
  }
}

extension e3_result {
  /// Whether an accepted answer of the first networks is as sure as `stop` asks. Without statistics the score is a NaN,
  /// which is above nothing.
  func mayStop(_ stop: e3_file_early_stop) -> Bool {
    decision == E3_DECISION_ACCEPT && top_probability >= stop.probability && !(unknown_score > stop.unknown_score)
  }
}

/// The order of a prediction set: falling probability, then rising index.
private struct PredictionSetOrder {
  let probabilities: UnsafePointer<Float>

  /// Whether `a` comes after `b`.
  private func isAfter(_ a: UInt32, _ b: UInt32) -> Bool {
    let (p, q) = (probabilities[Int(a)], probabilities[Int(b)])
    return p < q || (p == q && a > b)
  }

  /// Heapsort: in place, and n log n steps for any set.
  func sort(_ set: UnsafeMutablePointer<UInt32>, count: Int) {
    guard count > 1 else { return }
    for root in (0..<count / 2).reversed() { sink(set, root, count) }
    for last in (1..<count).reversed() {
      swap(set, 0, last)
      sink(set, 0, last)
    }
  }

  /// Restores the heap, whose root comes last, below `start`.
  private func sink(_ set: UnsafeMutablePointer<UInt32>, _ start: Int, _ count: Int) {
    var parent = start
    while true {
      var child = 2 * parent + 1
      guard child < count else { return }
      if child + 1 < count, isAfter(set[child + 1], set[child]) { child += 1 }
      guard isAfter(set[child], set[parent]) else { return }
      swap(set, parent, child)
      parent = child
    }
  }

  private func swap(_ set: UnsafeMutablePointer<UInt32>, _ a: Int, _ b: Int) {
    let value = set[a]
    set[a] = set[b]
    set[b] = value
  }
}
