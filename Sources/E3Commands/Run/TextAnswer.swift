import CE3

/// Writes an answer for people: the decision, the most probable classes with bars, the uncertainty.
struct TextAnswer {
  let stream: TextStream
  /// Whether bars may be drawn with block characters.
  let isUTF8: Bool

  private static var barWidth: Int { 24 }

  func write(
    _ shown: ShownAnswer, source: UnsafePointer<CChar>, isNumbered: Bool, model: borrowing Model, top: Int
  ) {
    let answer = shown.answer
    let result = answer.result
    stream.write(path: source)
    if isNumbered {
      stream.write(" ")
      stream.write(shown.frame)
    }
    if let region = shown.region {
      stream.write(" ")
      region.write(to: stream)
    }
    stream.write(": ")
    stream.write(result.decision.decisionName)
    writeLearnedLabel(result, model)
    stream.write(" (")
    milliseconds(answer.latency.total)
    stream.write(")\n")

    var indexWidth = 0
    var labelWidth = 0
    var widths = Ranking(result, count: top)
    while let index = widths.next() {
      indexWidth = max(indexWidth, Self.digits(index))
      if let label = model.label(index) { labelWidth = max(labelWidth, Self.characters(label)) }
    }
    var ranking = Ranking(result, count: top)
    while let index = ranking.next() {
      stream.write("  ")
      stream.write(" ", times: indexWidth - Self.digits(index))
      stream.write(index)
      if labelWidth > 0 {
        stream.write("  ")
        var written = 0
        if let label = model.label(index) { written = writeLabel(label) }
        stream.write(" ", times: labelWidth - written)
      }
      let probability = result.probabilities[Int(index)]
      stream.write(percent: probability, width: 8)
      writeBar(probability)
      stream.write("\n")
    }
    writeUncertainty(result)
    if result.networks < model.info.networks {
      stream.write("  ")
      writeNetworks(result, model)
      stream.write(" answered\n")
    }
    writeLearned(result, model)
    // Thresholds and set are of the model's own classes.
    if let calibration = model.calibration, result.learned_class == E3_NO_CLASS {
      CalibratedText(stream: stream, calibration: calibration).write(result, model)
    }
    if model.calibration == nil { stream.write("  no calibration: nothing is called unknown\n") }
  }

  /// Writes an answer in one line without its end, for frames that follow each other.
  func writeLine(_ shown: ShownAnswer, source: UnsafePointer<CChar>, model: borrowing Model, top: Int) {
    let answer = shown.answer
    let result = answer.result
    stream.write(path: source)
    stream.write(" ")
    stream.write(shown.frame)
    if let region = shown.region {
      stream.write(" ")
      region.write(to: stream)
    }
    stream.write(": ")
    if let smoothed = shown.smoothed { writeSmoothed(smoothed, model) }
    stream.write(result.decision.decisionName)
    writeLearnedLabel(result, model)
    var ranking = Ranking(result, count: top)
    while let index = ranking.next() {
      stream.write(", ")
      writeClass(index, result.probabilities[Int(index)], model)
    }
    stream.write(", uncertainty ")
    stream.write(Double(result.total_entropy), decimals: 3)
    stream.write(" nats, ")
    if result.networks < model.info.networks {
      writeNetworks(result, model)
      stream.write(", ")
    }
    milliseconds(answer.latency.total)
    stream.write(": capture ")
    milliseconds(answer.latency.capture)
    stream.write(", preprocess ")
    milliseconds(answer.latency.preprocess)
    stream.write(", inference ")
    milliseconds(answer.latency.inference)
  }

  /// The decision over the last frames, before the frame's own.
  private func writeSmoothed(_ smoothed: SmoothedAnswer, _ model: borrowing Model) {
    stream.write(smoothed.decision.decisionName)
    if let top = smoothed.top {
      stream.write(", ")
      writeClass(top.index, top.probability, model)
    }
    stream.write(smoothed.frames == 1 ? " over " : " over the last ")
    stream.write(smoothed.frames)
    stream.write(smoothed.frames == 1 ? " frame; it alone: " : " frames; it alone: ")
  }

  private func writeClass(_ index: UInt32, _ probability: Float, _ model: borrowing Model) {
    if let label = model.label(index), !label.isEmpty { stream.write(label) } else { stream.write(index) }
    stream.write(" ")
    stream.write(percent: probability)
  }

  /// How many networks answered, of an answer that stopped early.
  private func writeNetworks(_ result: e3_result, _ model: borrowing Model) {
    stream.write(result.networks)
    stream.write(" of ")
    stream.write(model.info.networks)
    stream.write(" networks")
  }

  private func milliseconds(_ nanoseconds: UInt64) {
    stream.write(Double(nanoseconds) / 1e6, decimals: 1)
    stream.write(" ms")
  }

  private func writeUncertainty(_ result: e3_result) {
    stream.write("  uncertainty ")
    stream.write(Double(result.total_entropy), decimals: 3)
    stream.write(" nats")
    if result.members > 1 {
      stream.write(": ")
      stream.write(Double(result.expected_entropy), decimals: 3)
      stream.write(" in the image + ")
      stream.write(Double(result.mutual_information), decimals: 3)
      stream.write(" between ")
      stream.write(result.members)
      stream.write(" members, disagreement ")
      stream.write(percent: result.disagreement, decimals: 0)
    }
    stream.write("\n")
  }

  /// A bar whose length is the probability, in eighths of a character where blocks can be drawn.
  private func writeBar(_ probability: Float) {
    let eighths = Int(min(max(probability, 0), 1) * Float(Self.barWidth * 8) + 0.5)
    if eighths == 0 { return }
    stream.write("  ")
    guard isUTF8 else {
      stream.write("#", times: (eighths + 4) / 8)
      return
    }
    stream.write("█", times: eighths / 8)
    switch eighths % 8 {
    case 1: stream.write("▏")
    case 2: stream.write("▎")
    case 3: stream.write("▍")
    case 4: stream.write("▌")
    case 5: stream.write("▋")
    case 6: stream.write("▊")
    case 7: stream.write("▉")
    default: break
    }
  }

  /// Writes a label, which holds no control characters (FORMAT.md), and returns how many characters it has.
  private func writeLabel(_ label: UnsafeRawBufferPointer) -> Int {
    stream.write(label)
    return Self.characters(label)
  }

  /// Characters of UTF-8 text: bytes that do not continue one.
  private static func characters(_ text: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for byte in text where byte & 0xC0 != 0x80 { count += 1 }
    return count
  }

  private static func digits(_ value: UInt32) -> Int {
    var digits = 1
    var rest = value / 10
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    return digits
  }
}
