extension Checkpoint {
  /// What can be done where the head is not under its name: what the model has no place for may be it.
  var lostHead: String {
    let train = "e3-train fit --head new trains one"
    if let name = otherNames.first(where: { Self.decoder(of: $0, "decoder_") != nil }),
      let decoder = Self.decoder(of: name, "decoder")
    {
      return "\(decoder)… is the decoder of a masked autoencoder (MAE), which is no head: \(train), with "
        + "--ignore '\(decoder)*'"
    }
    guard !otherNames.isEmpty else { return train }
    let names =
      otherNames.prefix(4).joined(separator: ", ") + (otherNames.count > 4 ? " and \(otherNames.count - 4) more" : "")
    if otherNames.contains(where: Reparametrisation.isPart) {
      return "if it is in \(names), take its weight norm or parametrisation out first "
        + "(torch.nn.utils.remove_weight_norm, parametrize.remove_parametrizations), save it anew and rename it to that; "
        + "else \(train)"
    }
    if let matrix = otherNames.first(where: isMatrixOfHead),
      otherNames.allSatisfy({ $0 == matrix || $0 == Self.bias(of: matrix) })
    {
      return "if it is in \(names), rename it to that; else \(train)"
    }
    return "a head is one linear layer, [classes, hidden] and its bias, but there are \(names): a BatchNorm next to "
      + "that layer can be folded into it, other layers cannot; --ignore leaves out what is none of the model's; "
      + "e3-train fit --head new trains a head of its own"
  }

  /// Which of two heads is read, where one of `names`, which the model has no place for, may be the second one; nil where
  /// none is.
  func secondHead(among names: [String]) -> String? {
    guard let matrix = names.first(where: isMatrixOfHead), let shape = storedShape(of: matrix) else { return nil }
    let own = fileName(of: ParameterNames.head.kernel)
    return "\(matrix), shape \(shape), may be a head too, beside \(own), which is read: if it is the trained one, save "
      + "the model with that and its bias under the names of these"
  }

  /// Whether the tensor `name` may be the matrix of a linear layer that reads the encoder's output.
  private func isMatrixOfHead(_ name: String) -> Bool {
    guard let shape = storedShape(of: name), shape.count == 2,
      let hidden = self.shape(of: ParameterNames.embedding.kernel)?.last, hidden > 0
    else { return false }
    let inputs = name.hasSuffix("kernel") ? shape[0] : shape[1]
    return inputs > 0 && inputs.isMultiple(of: hidden)
  }

  private static func bias(of matrix: String) -> String {
    String(matrix.reversed().drop { $0 != "." && $0 != "/" }.reversed()) + "bias"
  }

  /// What names of the decoder of MAE, or of Hugging Face's ViTMAE, begin with, by the tensor `name`; nil where none of
  /// its parts begins with `mark`.
  ///
  /// Source: https://github.com/facebookresearch/mae, models_mae.py.
  private static func decoder(of name: String, _ mark: String) -> String? {
    let parts = name.split(separator: ".")
    guard let place = parts.firstIndex(where: { $0.hasPrefix(mark) }) else { return nil }
    return parts[..<place].map { "\($0)." }.joined() + "decoder"
  }
}
