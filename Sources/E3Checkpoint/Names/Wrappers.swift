/// Modules that PyTorch's tools wrap around others. Their names stand anywhere in the names of tensors, and say nothing
/// about the model.
enum Wrappers {
  /// DistributedDataParallel and DeepSpeed, torch.compile, activation checkpointing, FSDP, fairscale, Lightning Fabric.
  private static let names: Set<Substring> = [
    "module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module", "_forward_module",
  ]

  /// `name` without them.
  static func removed(from name: String) -> String {
    guard name.holds("module.") || name.holds("_orig_mod.") else { return name }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return (parts.dropLast().filter { !names.contains($0) } + parts.suffix(1)).joined(separator: ".")
  }

  /// What stands before `tail` in `name`, which ends with it but for the wrappers in between.
  static func way(in name: String, to tail: String) -> String {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    for wanted in tail.split(separator: ".").reversed() {
      while let part = parts.popLast(), part != wanted {}
    }
    return parts.map { "\($0)." }.joined()
  }

  /// `way`, which is empty or ends with a dot, without those at its end.
  static func removed(fromEndOf way: String) -> String {
    var parts = way.split(separator: ".", omittingEmptySubsequences: false).dropLast()
    while let last = parts.last, names.contains(last) { parts.removeLast() }
    return parts.map { "\($0)." }.joined()
  }
}
