import E3Host

extension Comparison {
  /// The object of `--json`; what is no number is `null`.
  package var json: JSONText {
    .object([
      ("images", .integer(images)),
      ("max_logit_difference", .float(maxLogitDifference)),
      ("mean_logit_difference", .float(meanLogitDifference)),
      ("mean_total_variation", .float(meanTotalVariation)),
      ("max_total_variation", .float(maxTotalVariation)),
      ("mean_mutual_information_difference", .float(meanMutualInformationDifference)),
      ("top1_agreement", .float(topAgreement)),
      ("disagreeing", .array(disagreeing.map(JSONText.integer))),
      ("router_choices_flipped", flippedChoices.map(JSONText.number) ?? .null),
    ])
  }

  /// Lines for people.
  package var text: String {
    """
    images                     \(images)
    logits, max difference     \(maxLogitDifference)
    logits, mean difference    \(meanLogitDifference)
    total variation, mean      \(meanTotalVariation)
    total variation, max       \(maxTotalVariation)
    mutual information, mean   \(meanMutualInformationDifference) nats apart
    top-1 agreement            \(percent(Double(topAgreement)))
    router choices flipped     \(flippedChoices.map { percent($0) } ?? "no experts")
    """
  }
}
