import CE3

/// The lines that a calibrated file adds to an answer for people: why it was decided so, and the prediction set.
struct CalibratedText {
  let stream: TextStream
  let calibration: e3_calibration

  /// Classes of a prediction set that are named.
  private static var namedClasses: Int { 10 }

  func write(_ result: e3_result, _ model: borrowing Model) {
    writeReason(result)
    // What the set promises holds for images of the kind that it was fitted on.
    if Int(result.decision) != E3_DECISION_UNKNOWN { writePredictionSet(result, model) }
  }

  private func writeReason(_ result: e3_result) {
    stream.write("  ")
    stream.write(result.decision.decisionName)
    stream.write(": ")
    let isUnknown = Int(result.decision) == E3_DECISION_UNKNOWN
    if !isUnknown {
      let isAccepted = Int(result.decision) == E3_DECISION_ACCEPT
      stream.write(percent: result.top_probability)
      stream.write(isAccepted ? " is at least " : " is below ")
      stream.write(percent: calibration.accept_threshold)
    }
    if calibration.has_distance != 0 {
      if !isUnknown { stream.write(", ") }
      stream.write(calibration.decidesByRelativeDistance ? "relative distance " : "unknown score ")
      number(result.unknown_score)
      stream.write(isUnknown ? " is above " : " is at most ")
      number(calibration.unknown_threshold)
    }
    stream.write("\n")
  }

  private func writePredictionSet(_ result: e3_result, _ model: borrowing Model) {
    stream.write("  set that holds the class in at least ")
    stream.write(askedPercent: calibration.set_coverage)
    stream.write(" of images:")
    let count = Int(result.prediction_set_count)
    for position in 0..<min(count, Self.namedClasses) {
      let index = result.prediction_set[position]
      stream.write(position == 0 ? " " : ", ")
      if let label = model.label(index), label.count > 0 {
        stream.write(label)
      } else {
        stream.write(index)
      }
    }
    if count > Self.namedClasses {
      stream.write(" and ")
      stream.write(count - Self.namedClasses)
      stream.write(" more")
    }
    stream.write("\n")
  }

  private func number(_ value: Float) { stream.write(Double(value), decimals: 2) }
}

extension e3_calibration {
  /// Whether the unknown score is the relative distance and nothing else.
  var decidesByRelativeDistance: Bool {
    has_distance != 0 && unit_length == 0 && background_weight == 1 && uncertainty == 0
  }
}
