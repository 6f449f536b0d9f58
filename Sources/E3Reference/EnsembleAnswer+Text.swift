import E3Host

extension EnsembleAnswer {
  /// One line for people.
  package func text(frame: Int) -> String {
    let classes = top(3).map { "class \($0) \(percent(Double(probabilities[$0]), 1))" }.joined(separator: ", ")
    return
      "\(frame): \(classes); mutual information \(decimals(Double(mutualInformation), 4)), disagreement "
      + percent(Double(disagreement), 1)
  }

  /// The object of `--json`. Numbers have as many digits as their float needs; what is no number is `null`.
  package func json(frame: Int, source: String) -> JSONText {
    func list(_ values: [Float]) -> JSONText { .array(values.map(JSONText.float)) }
    return .object([
      ("frame", .integer(frame)),
      ("source", .text(source)),
      ("top", .array(top(5).map { .object([("index", .integer($0)), ("probability", .float(probabilities[$0]))]) })),
      ("probabilities", list(probabilities)),
      (
        "members",
        .array(
          zip(memberLogits, memberProbabilities).map { logits, probabilities in
            .object([("logits", list(logits)), ("probabilities", list(probabilities))])
          })
      ),
      (
        "uncertainty",
        .object([
          ("total_entropy", .float(totalEntropy)), ("expected_entropy", .float(expectedEntropy)),
          ("mutual_information", .float(mutualInformation)), ("disagreement", .float(disagreement)),
        ])
      ),
    ])
  }
}
