import CE3
import E3Format

/// Writes an answer as one line of JSON.
struct JSONAnswer {
  let out: JSONStream

  init(stream: TextStream) { out = JSONStream(stream: stream) }

  /// The object in a line of its own.
  func write(_ shown: ShownAnswer, source: UnsafePointer<CChar>, model: borrowing Model, top: Int) {
    writeObject(shown, source: source, model: model, top: top)
    out.raw("\n")
  }

  func writeObject(_ shown: ShownAnswer, source: UnsafePointer<CChar>, model: borrowing Model, top: Int) {
    let answer = shown.answer
    let result = answer.result
    out.open("frame")
    out.stream.write(shown.frame)
    out.key("source")
    out.text(CString.bytes(source))
    if let region = shown.region {
      out.key("crop")
      region.write(to: out.stream)
    }
    if shown.view.rotation != 0 {
      out.key("rotate")
      out.stream.write(shown.view.rotation)
    }
    if let flip = shown.view.flip {
      out.key("flip")
      out.raw(flip == .horizontal ? "\"horizontal\"" : "\"vertical\"")
    }
    writeTop(result, model, top)
    out.key("probabilities")
    out.floats(result.probabilities, Int(result.classes))
    if model.info.networks > 1 {
      out.key("networks")
      out.stream.write(result.networks)
    }
    writeMembers(result)
    writeUncertainty(result, model)
    writeDecision(result)
    writeAnswer(result, model)
    writeThresholds(result, model)
    if let smoothed = shown.smoothed { writeSmoothed(smoothed, model) }
    writeLearned(result, model)
    let latency = answer.latency
    milliseconds("latency_ms", latency.total)
    milliseconds("capture_ms", latency.capture)
    milliseconds("preprocess_ms", latency.preprocess)
    milliseconds("inference_ms", latency.inference)
    out.raw("}")
  }

  private func writeTop(_ result: e3_result, _ model: borrowing Model, _ top: Int) {
    out.key("top")
    out.raw("[")
    var isFirst = true
    var ranking = Ranking(result, count: top)
    while let index = ranking.next() {
      if !isFirst { out.raw(",") }
      isFirst = false
      out.open("index")
      out.stream.write(index)
      writeLabel(index, model)
      out.float("probability", result.probabilities[Int(index)])
      out.raw("}")
    }
    out.raw("]")
  }

  private func writeLabel(_ index: UInt32, _ model: borrowing Model) {
    out.key("label")
    if let label = model.label(index) { out.text(label) } else { out.raw("null") }
  }

  private func writeSmoothed(_ smoothed: SmoothedAnswer, _ model: borrowing Model) {
    out.key("smoothed")
    out.open("frames")
    out.stream.write(smoothed.frames)
    out.key("unknown")
    out.stream.write(smoothed.unknown)
    out.key("decision")
    out.raw("\"")
    out.raw(smoothed.decision.decisionName)
    out.raw("\"")
    if let top = smoothed.top {
      out.key("index")
      out.stream.write(top.index)
      writeLabel(top.index, model)
      out.float("probability", top.probability)
    }
    out.raw("}")
  }

  private func writeMembers(_ result: e3_result) {
    let classes = Int(result.classes)
    out.key("members")
    out.raw("[")
    for member in 0..<Int(result.members) {
      if member > 0 { out.raw(",") }
      out.open("logits")
      out.floats(result.member_logits + member * classes, classes)
      out.key("probabilities")
      out.floats(result.member_probabilities + member * classes, classes)
      out.raw("}")
    }
    out.raw("]")
  }

  private func writeUncertainty(_ result: e3_result, _ model: borrowing Model) {
    // Where a stop left one member, others would have had a say.
    let isAlone = result.members == 1 && result.networks < model.info.networks
    out.key("uncertainty")
    out.open("total_entropy")
    out.float(result.total_entropy)
    out.float("expected_entropy", result.expected_entropy)
    out.float("mutual_information", isAlone ? .nan : result.mutual_information)
    out.float("disagreement", isAlone ? .nan : result.disagreement)
    out.float("distance", result.distance)
    out.float("relative_distance", result.relative_distance)
    out.float("unknown_score", result.unknown_score)
    out.raw("}")
  }

  private func writeDecision(_ result: e3_result) {
    out.key("decision")
    out.raw("\"")
    out.raw(result.decision.decisionName)
    out.raw("\"")
  }

  /// The class that the decision is about, be it the model's own or a learned one.
  private func writeAnswer(_ result: e3_result, _ model: borrowing Model) {
    out.key("answer")
    if Int(result.decision) == E3_DECISION_UNKNOWN { return out.raw("null") }
    let learned = model.learned?.learned(result.learned_class)
    out.open("index")
    out.stream.write(learned == nil ? result.top_class : result.learned_class)
    if let learned {
      out.key("label")
      out.text(learned.text)
    } else {
      writeLabel(result.top_class, model)
    }
    out.key("learned")
    out.raw(learned == nil ? "false" : "true")
    out.raw("}")
  }

  private func writeThresholds(_ result: e3_result, _ model: borrowing Model) {
    out.key("thresholds")
    out.open("accept_probability")
    out.float(model.calibration?.accept_threshold ?? UncalibratedDecision.acceptProbability)
    let unknown = model.calibration?.unknown_threshold ?? .nan
    out.float("unknown_relative_distance", model.calibration?.decidesByRelativeDistance == true ? unknown : .nan)
    out.float("unknown_score", unknown)
    out.raw("}")
    out.key("prediction_set")
    out.raw("[")
    for index in 0..<Int(result.prediction_set_count) {
      if index > 0 { out.raw(",") }
      out.stream.write(result.prediction_set[index])
    }
    out.raw("]")
  }

  private func milliseconds(_ name: StaticString, _ nanoseconds: UInt64) {
    out.number(name, Double(nanoseconds) / 1e6, decimals: 3)
  }
}

extension e3_decision {
  var decisionName: StaticString {
    switch Int(self) {
    case E3_DECISION_ACCEPT: "accept"
    case E3_DECISION_UNSURE: "unsure"
    default: "unknown"
    }
  }
}
