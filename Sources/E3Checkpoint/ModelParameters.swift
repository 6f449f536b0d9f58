import E3Host

/// Where a forward pass finds a model: its configuration and its weights, by the names of ``ParameterNames`` and in the
/// shapes of `config.parameters`.
public protocol ModelParameters: Sendable {
  var config: ModelConfig { get }

  /// All values of the tensor `name`.
  func values(of name: String) throws(FileError) -> [Float]

  /// The values `index` along the leading axis of the tensor `name`: one expert of a `[E, …]` tensor.
  func values(of name: String, at index: Int) throws(FileError) -> [Float]
}
