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
      ("logit_decibels", .number(logitDecibels)),
      ("sources", .array(sources.map(\.json))),
      ("warnings", .array(warnings.map(JSONText.text))),
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
    logits above their noise   \(decimals(logitDecibels, 1)) dB
    """ + sources.map { "\n\($0.text)" }.joined()
  }

  /// What a reader should look at, a line each.
  package var warnings: [String] {
    var lines: [String] = []
    if logitDecibels < ErrorSources.quietest {
      lines.append(
        "the logits are only \(decimals(logitDecibels, 1)) dB above their noise, expected "
          + "\(decimals(ErrorSources.quietest, 0)) or more")
    }
    return lines + sources.flatMap(\.warnings)
  }
}
