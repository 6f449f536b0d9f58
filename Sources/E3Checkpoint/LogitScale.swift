import E3Host

/// Single numbers that a model multiplies its logits by, or adds to them, which a file of this project has no place for.
enum LogitScale {
  private static let names: Set<Substring> = ["temperature", "log_temperature", "logit_scale", "logit_bias"]

  /// Whether the last part of `name` is what such a number is called.
  static func isName(_ name: String) -> Bool {
    name.split { $0 == "." || $0 == "/" }.last.map(names.contains) ?? false
  }

  /// What is to be done about it.
  static let next =
    "where the model scales its logits by it, its probabilities are others without it: fold it into weight and bias of "
    + "the head, or let e3-convert calibrate fit a temperature"
}

extension Checkpoint {
  /// What can be done about a number among the tensors `names` that the model may scale its logits by; nil without one.
  func scale(among names: [String]) -> String? {
    names.first { LogitScale.isName($0) && elementCount(of: storedShape(of: $0) ?? []) == 1 }
      .map { "\($0): \(LogitScale.next)" }
  }
}
