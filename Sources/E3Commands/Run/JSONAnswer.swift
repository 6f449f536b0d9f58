import CE3

/// Writes an answer as one line of JSON.
struct JSONAnswer {
  private let out: JSONStream

  init(stream: TextStream) { out = JSONStream(stream: stream) }

  func write(_ answer: Answer, frame: UInt64, source: UnsafePointer<CChar>, model: borrowing Model, top: Int) {
    let result = answer.result
    out.open("frame")
    out.stream.write(frame)
    out.key("source")
    out.text(CString.bytes(source))
    writeTop(result, model, top)
    out.key("probabilities")
    out.floats(result.probabilities, Int(result.classes))
    writeMembers(result)
    writeUncertainty(result)
    writeDecision(result, model)
    let latency = answer.latency
    milliseconds("latency_ms", latency.total)
    milliseconds("capture_ms", latency.capture)
    milliseconds("preprocess_ms", latency.preprocess)
    milliseconds("inference_ms", latency.inference)
    out.raw("}\n")
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
      out.key("label")
      if let label = model.label(index) { out.text(label) } else { out.raw("null") }
      out.float("probability", result.probabilities[Int(index)])
      out.raw("}")
    }
    out.raw("]")
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

  private func writeUncertainty(_ result: e3_result) {
    out.key("uncertainty")
    out.open("total_entropy")
    out.float(result.total_entropy)
    out.float("expected_entropy", result.expected_entropy)
    out.float("mutual_information", result.mutual_information)
    out.float("disagreement", result.disagreement)
    out.float("distance", result.distance)
    out.float("relative_distance", result.relative_distance)
    out.raw("}")
  }

  private func writeDecision(_ result: e3_result, _ model: borrowing Model) {
    out.key("decision")
    out.raw("\"")
    out.raw(result.decisionName)
    out.raw("\"")
    out.key("thresholds")
    out.open("accept_probability")
    out.float(model.calibration?.accept_threshold ?? 0.5)
    out.float("unknown_relative_distance", model.calibration?.unknown_threshold ?? .nan)
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

extension e3_result {
  var decisionName: StaticString {
    switch Int(decision) {
    case E3_DECISION_ACCEPT: "accept"
    case E3_DECISION_UNSURE: "unsure"
    default: "unknown"
    }
  }
}
