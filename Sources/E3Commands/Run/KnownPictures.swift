import CE3

/// The pictures of a lesson that have an answer without it: an accepted class of the model, or another learned class.
struct KnownPictures {
  private struct Answer {
    var index: UInt32 = 0
    var isLearned = false
    var pictures = 0
  }

  private var answers = InlineArray<8, Answer>(repeating: Answer())
  /// Of these in use.
  private var distinct = 0
  private var pictures = 0

  /// Takes the answer to a picture that is to be one of the learned class `taught`.
  mutating func add(_ result: e3_result, taught: UInt32, _ model: borrowing Model) {
    let isLearned = result.learned_class != E3_NO_CLASS && result.learned_class != taught
    // The decision may be that for the class itself, of the pictures before.
    guard isLearned || model.accepts(result) else { return }
    pictures += 1
    let index = isLearned ? result.learned_class : result.top_class
    for place in 0..<distinct where answers[place].index == index && answers[place].isLearned == isLearned {
      answers[place].pictures += 1
      return
    }
    guard distinct < answers.count else { return }
    answers[distinct] = Answer(index: index, isLearned: isLearned, pictures: 1)
    distinct += 1
  }

  /// A line of its own; nothing where no picture is known.
  func write(to output: TextStream, _ model: borrowing Model) {
    guard pictures > 0 else { return }
    output.write(pictures)
    output.write(pictures == 1 ? " of the pictures is known already: " : " of the pictures are known already: ")
    var named = 0
    for place in 0..<distinct {
      if place > 0 { output.write(", ") }
      output.write(answers[place].pictures)
      output.write(" as ")
      writeName(answers[place], to: output, model)
      named += answers[place].pictures
    }
    if named < pictures {
      output.write(", ")
      output.write(pictures - named)
      output.write(" as others")
    }
    output.write("\n")
  }

  private func writeName(_ answer: Answer, to output: TextStream, _ model: borrowing Model) {
    let learned = answer.isLearned ? model.learned?.learned(answer.index) : nil
    if let label = learned?.text ?? model.label(answer.index) { return output.write(label) }
    output.write("class ")
    output.write(answer.index)
  }
}

extension Model {
  /// Whether the top class of an answer is accepted, learned classes aside.
  fileprivate func accepts(_ result: e3_result) -> Bool {
    guard let calibration else { return false }
    // Without statistics the score is a NaN, which is above nothing.
    return result.top_probability >= calibration.accept_threshold
      && !(result.unknown_score > calibration.unknown_threshold)
  }
}
