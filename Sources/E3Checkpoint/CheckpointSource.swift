/// A checkpoint and its configuration, by their paths, and what of it is read.
public struct CheckpointSource: Sendable {
  /// Of any form that ``Checkpoint`` reads, or its folder.
  public let checkpoint: String
  /// Nil: the one beside the checkpoint, or what the shapes tell.
  public let config: String?

  /// Patterns of tensors to leave out, with `*` for any text.
  public let ignored: [String]
  /// Most bytes of a safetensors file's table, or of a PyTorch file's pickle.
  public let headerLimit: Int

  public init(
    checkpoint: String, config: String? = nil, ignoring ignored: [String] = [],
    headerLimit: Int = Checkpoint.headerLimit
  ) {
    (self.checkpoint, self.config, self.ignored, self.headerLimit) = (checkpoint, config, ignored, headerLimit)
  }

  /// Several checkpoints with one configuration for all, one for each, or none, which are read in the same way.
  ///
  /// - Returns: nil for another number of configurations.
  public static func all(
    _ checkpoints: [String], configs: [String], ignoring ignored: [String] = [],
    headerLimit: Int = Checkpoint.headerLimit
  ) -> [CheckpointSource]? {
    guard configs.count <= 1 || configs.count == checkpoints.count else { return nil }
    return checkpoints.enumerated().map { index, checkpoint in
      CheckpointSource(
        checkpoint: checkpoint, config: configs.count > 1 ? configs[index] : configs.first, ignoring: ignored,
        headerLimit: headerLimit)
    }
  }
}
