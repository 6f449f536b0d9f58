/// A checkpoint and its configuration, by their paths.
public struct CheckpointSource: Sendable {
  /// Of any form that ``Checkpoint`` reads, or its folder.
  public let checkpoint: String
  /// Nil: the one beside the checkpoint, or what the shapes tell.
  public let config: String?

  public init(checkpoint: String, config: String? = nil) { (self.checkpoint, self.config) = (checkpoint, config) }

  /// Several checkpoints with one configuration for all, one for each, or none.
  ///
  /// - Returns: nil for another number of configurations.
  public static func all(_ checkpoints: [String], configs: [String]) -> [CheckpointSource]? {
    guard configs.count <= 1 || configs.count == checkpoints.count else { return nil }
    return checkpoints.enumerated().map { index, checkpoint in
      CheckpointSource(checkpoint: checkpoint, config: configs.count > 1 ? configs[index] : configs.first)
    }
  }
}
