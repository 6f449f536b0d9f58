import E3Host

extension Checkpoint {
  /// What does the work of a pair of tensors `names` that normalise pixels in the model itself, `normalize.mean` and
  /// `normalize.std`, one value or one for each channel; nil where there is no such pair.
  func normalisation(among names: [String]) -> String? {
    for mean in names where mean.hasSuffix("mean") {
      let stem = mean.dropLast("mean".count)
      guard let deviation = names.first(where: { $0 == "\(stem)std" || $0 == "\(stem)deviation" }) else { continue }
      let values = [mean, deviation].map { name in others[name].flatMap(Self.constants) ?? [] }
      guard values[0].count == values[1].count, !values[0].isEmpty, values[1].allSatisfy({ $0 > 0 }) else { continue }
      let numbers = values.joined().map { "\($0)" }.joined(separator: ",")
      return
        "\(mean) and \(deviation) normalise the pixels, which --value-norm \(numbers) does instead, if the model takes "
        + "pixels in 0...1 or 0...255"
    }
    return nil
  }

  /// The values of a tensor that has one for each channel; nil for another one.
  private static func constants(_ tensor: any TensorSource) -> [Float]? {
    guard let count = elementCount(of: tensor.shape), count == 1 || count == 3, tensor.problem == nil,
      let values = try? tensor.allValues(), values.allSatisfy(\.isFinite)
    else { return nil }
    return values
  }
}
