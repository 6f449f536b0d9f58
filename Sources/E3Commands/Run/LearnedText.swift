import CE3

// What answers say of learned classes; nothing where none are attached.

extension TextAnswer {
  /// A line of its own.
  func writeLearned(_ result: e3_result, _ model: borrowing Model) {
    guard let learned = model.learned?.learned(result.nearest_learned_class) else { return }
    let isAnswer = result.learned_class != E3_NO_CLASS
    stream.write(isAnswer ? "  learned class " : "  nearest learned class ")
    stream.write(learned.text)
    stream.write(": distance ")
    stream.write(Double(result.learned_distance), decimals: 3)
    let isInside = result.learned_distance <= result.learned_radius
    stream.write(isInside ? " is at most " : " is above ")
    stream.write(Double(result.learned_radius), decimals: 3)
    if isInside, !isAnswer { stream.write(", but a class of the model is nearer") }
    if isAnswer, learned.pictures < UInt32(E3_CLASS_FEWEST_PICTURES) {
      stream.write("; unsure, as it is learned from fewer than 3 pictures")
    }
    stream.write("\n")
  }

  /// After the decision: its class, where that is a learned one.
  func writeLearnedLabel(_ result: e3_result, _ model: borrowing Model) {
    guard let learned = model.learned?.learned(result.learned_class) else { return }
    stream.write(", learned class ")
    stream.write(learned.text)
  }
}

extension JSONAnswer {
  /// The member `learned`.
  func writeLearned(_ result: e3_result, _ model: borrowing Model) {
    guard model.learned != nil else { return }
    out.key("learned")
    guard let learned = model.learned?.learned(result.nearest_learned_class) else { return out.raw("null") }
    out.open("index")
    out.stream.write(result.nearest_learned_class)
    out.key("label")
    out.text(learned.text)
    out.float("distance", result.learned_distance)
    out.float("radius", result.learned_radius)
    out.key("is_answer")
    out.raw(result.learned_class == E3_NO_CLASS ? "false" : "true")
    out.raw("}")
  }
}
