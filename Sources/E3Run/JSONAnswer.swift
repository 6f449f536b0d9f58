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
    string(CString.bytes(source))
    writeTop(result, model, top)
    key(",\"probabilities\":")
    floats(result.probabilities, Int(result.classes))
    writeMembers(result)
    writeUncertainty(result)
    key(",\"decision\":\"")
    stream.write(result.decisionName)
    key("\",\"prediction_set\":[")
    for index in 0..<Int(result.prediction_set_count) {
      if index > 0 { key(",") }
      stream.write(result.prediction_set[index])
    }
    key("],\"latency_ms\":")
    e3c_put_fixed(stream.stream, answer.milliseconds, 3, 0)
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
      if let label = model.label(index) { string(label) } else { key("null") }
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
    key("}")
  }

  private func key(_ text: StaticString) { stream.write(text) }

  private func floats(_ values: UnsafePointer<Float>, _ count: Int) {
    key("[")
    for index in 0..<count {
      if index > 0 { key(",") }
      e3c_put_float(stream.stream, values[index])
    }
    key("]")
  }

  /// A JSON string. Bytes that are not UTF-8, as a path may have, become the replacement character.
  private func string(_ bytes: UnsafeRawBufferPointer) {
    key("\"")
    var index = 0
    while index < bytes.count {
      let length = UTF8Text.sequenceLength(bytes, index)
      switch (length, bytes[index]) {
      case (0, _): key("\u{FFFD}")
      case (_, UInt8(ascii: "\"")): key("\\\"")
      case (_, UInt8(ascii: "\\")): key("\\\\")
      case (_, 0..<0x20), (_, 0x7F):
        key("\\u00")
        stream.write(byte: Self.digit(bytes[index] >> 4))
        stream.write(byte: Self.digit(bytes[index] & 15))
      default:
        for offset in 0..<length { stream.write(byte: bytes[index + offset]) }
      }
      index += max(length, 1)
    }
    key("\"")
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
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
