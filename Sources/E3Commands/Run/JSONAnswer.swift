import CE3
import CE3System

/// Writes an answer as one line of JSON.
struct JSONAnswer {
  let stream: TextStream

  func write(_ answer: Answer, frame: UInt64, source: UnsafePointer<CChar>, model: borrowing Model, top: Int) {
    let result = answer.result
    key("{\"frame\":")
    stream.write(frame)
    key(",\"source\":")
    JSONStream(stream: stream).text(CString.bytes(source))
    writeTop(result, model, top)
    key(",\"probabilities\":")
    floats(result.probabilities, Int(result.classes))
    writeMembers(result)
    writeUncertainty(result)
    key(",\"decision\":\"")
    stream.write(result.decisionName)
    key("\",\"thresholds\":{\"accept_probability\":")
    e3c_put_float(stream.stream, model.calibration?.accept_threshold ?? 0.5)
    key(",\"unknown_relative_distance\":")
    e3c_put_float(stream.stream, model.calibration?.unknown_threshold ?? .nan)
    key("},\"prediction_set\":[")
    for index in 0..<Int(result.prediction_set_count) {
      if index > 0 { key(",") }
      stream.write(result.prediction_set[index])
    }
    key("]")
    let latency = answer.latency
    milliseconds(",\"latency_ms\":", latency.total)
    milliseconds(",\"capture_ms\":", latency.capture)
    milliseconds(",\"preprocess_ms\":", latency.preprocess)
    milliseconds(",\"inference_ms\":", latency.inference)
    key("}\n")
  }

  private func writeTop(_ result: e3_result, _ model: borrowing Model, _ top: Int) {
    key(",\"top\":[")
    var isFirst = true
    var ranking = Ranking(result, count: top)
    while let index = ranking.next() {
      key(isFirst ? "{\"index\":" : ",{\"index\":")
      isFirst = false
      stream.write(index)
      key(",\"label\":")
      if let label = model.label(index) { JSONStream(stream: stream).text(label) } else { key("null") }
      key(",\"probability\":")
      e3c_put_float(stream.stream, result.probabilities[Int(index)])
      key("}")
    }
    key("]")
  }

  private func writeMembers(_ result: e3_result) {
    let classes = Int(result.classes)
    key(",\"members\":[")
    for member in 0..<Int(result.members) {
      key(member == 0 ? "{\"logits\":" : ",{\"logits\":")
      floats(result.member_logits + member * classes, classes)
      key(",\"probabilities\":")
      floats(result.member_probabilities + member * classes, classes)
      key("}")
    }
    key("]")
  }

  private func writeUncertainty(_ result: e3_result) {
    key(",\"uncertainty\":{\"total_entropy\":")
    e3c_put_float(stream.stream, result.total_entropy)
    key(",\"expected_entropy\":")
    e3c_put_float(stream.stream, result.expected_entropy)
    key(",\"mutual_information\":")
    e3c_put_float(stream.stream, result.mutual_information)
    key(",\"disagreement\":")
    e3c_put_float(stream.stream, result.disagreement)
    key(",\"distance\":")
    e3c_put_float(stream.stream, result.distance)
    key(",\"relative_distance\":")
    e3c_put_float(stream.stream, result.relative_distance)
    key("}")
  }

  private func key(_ text: StaticString) { stream.write(text) }

  private func milliseconds(_ name: StaticString, _ nanoseconds: UInt64) {
    key(name)
    e3c_put_fixed(stream.stream, Double(nanoseconds) / 1e6, 3, 0)
  }

  private func floats(_ values: UnsafePointer<Float>, _ count: Int) {
    key("[")
    for index in 0..<count {
      if index > 0 { key(",") }
      e3c_put_float(stream.stream, values[index])
    }
    key("]")
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
