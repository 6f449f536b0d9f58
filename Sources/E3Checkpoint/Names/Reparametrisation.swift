import E3Host

/// Parameters that PyTorch stores in other terms while it trains: as length and direction (weight norm), with a mask
/// (pruning), or as what a parametrisation makes them of. They are named, not computed.
enum Reparametrisation {
  /// What stands for the parameter `name`, which is not there itself, and what is to be done; nil where nothing does.
  static func fault(_ name: String, has: (String) -> Bool) -> (name: String, problem: String)? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let (layer, parameter) = (name[..<dot], name[name.index(after: dot)...])
    let forms: [(ends: [String], what: String, how: String)] = [
      (
        ["_orig", "_mask"], "with a mask that prunes it",
        "torch.nn.utils.prune.remove(layer, \"\(parameter)\") makes it permanent"
      ),
      (["_orig", "_u"], "for a spectral norm", "torch.nn.utils.remove_spectral_norm(layer) takes it out"),
      (
        ["_g", "_v"], "as length and direction, a weight norm", "torch.nn.utils.remove_weight_norm(layer) takes it out"
      ),
    ]
    func problem(_ what: String, _ how: String) -> String {
      "\(name) is stored \(what), which is not computed here: \(how); then save the weights anew"
    }
    for form in forms {
      let parts = form.ends.map { name + $0 }
      guard parts.allSatisfy(has) || form.ends == ["_g", "_v"] && parts.contains(where: has) else { continue }
      return (parts.first(where: has) ?? name, problem(form.what, form.how))
    }
    let parts = ["original0", "original1", "original"].map { "\(layer).\(folder).\(parameter).\($0)" }
    guard let part = parts.first(where: has) else { return nil }
    return (
      part,
      problem(
        part.hasSuffix("original")
          ? "as what a parametrisation makes it of" : "as a weight norm's length and direction",
        "torch.nn.utils.parametrize.remove_parametrizations(layer, \"\(parameter)\") takes it out")
    )
  }

  private static let folder = "parametrizations"

  /// Whether the tensor `name` is of no use before the parametrisation of its layer is taken out.
  static func isPart(_ name: String) -> Bool {
    name.holds(".\(folder).") || [".weight_g", ".weight_v", ".weight_orig"].contains(where: name.hasSuffix)
  }
}
