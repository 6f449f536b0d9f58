import E3Host

/// A model's weights on disk: named float tensors, read one at a time.
///
/// Three forms are read, told apart by the path:
/// - a V-MoE checkpoint, `PREFIX` or `PREFIX.index`, with its `PREFIX.data-nnnnn-of-NNNNN` files;
/// - `NAME.safetensors`;
/// - a vit_jax `NAME.npz`.
///
/// Tensor names are those of V-MoE's parameter tree, joined with `/`, without a leading `params/` and whatever the form
/// (`Encoder/encoderblock_0/SelfAttention/query/kernel`). Only parameters are listed, never optimizer state. Files are
/// mapped; opening reads their tables alone. Reading holds the values of the request and a few megabytes of the file.
public struct Checkpoint: Sendable {
  public enum Form: String, Sendable {
    case vmoe = "V-MoE"
    case safetensors
    case npz = "vit_jax npz"
  }

  /// Path as it was given.
  public let path: String
  /// Form of the files.
  public let form: Form
  /// All parameters' names, in ascending order.
  public let tensorNames: [String]
  private let sources: [String: any TensorSource]

  /// Opens the checkpoint at `path`.
  ///
  /// - Throws: a missing, truncated or malformed file; a tensor that is not float32, float16 or bfloat16.
  public init(path: String) throws(FileError) {
    self.path = path
    if path.hasSuffix(".safetensors") {
      form = .safetensors
      sources = try readSafetensors(path: path)
    } else if path.hasSuffix(".npz") {
      form = .npz
      sources = try readVitJax(path: path)
    } else {
      form = .vmoe
      sources = try readVMoE(prefix: path.hasSuffix(".index") ? String(path.dropLast(6)) : path)
    }
    tensorNames = sources.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    for name in tensorNames {
      guard let source = sources[name], source.elementType.isWeight else {
        let found = sources[name]?.elementType.rawValue ?? "none"
        throw FileError(
          file: path, tensor: name, problem: "element type \(found), expected float32, float16 or bfloat16")
      }
    }
  }

  /// Shape of the tensor `name`; nil when there is none of that name.
  public func shape(of name: String) -> [Int]? { sources[name]?.shape }

  /// Encoding of the tensor `name` in the file; nil when there is none of that name.
  public func elementType(of name: String) -> ElementType? { sources[name]?.elementType }

  /// All values of the tensor `name` in C order.
  ///
  /// - Throws: a missing tensor; a value that is not finite; a damaged file.
  public func read(_ name: String) throws(FileError) -> [Float] {
    let source = try source(name)
    guard let count = elementCount(of: source.shape) else { throw missing(name) }
    return try read(name, source, 0..<count)
  }

  /// The values `index` along the leading axis of the tensor `name`, in C order: one expert of `[E, H, F]`.
  public func read(_ name: String, at index: Int) throws(FileError) -> [Float] {
    let source = try source(name)
    guard let extent = source.shape.first, let count = elementCount(of: source.shape.dropFirst()), index >= 0,
      index < extent
    else {
      throw FileError(
        file: path, tensor: name, problem: "shape \(source.shape) has no slice \(index) along its first axis")
    }
    return try read(name, source, index * count..<(index + 1) * count)
  }

  private func read(_ name: String, _ source: any TensorSource, _ range: Range<Int>) throws(FileError) -> [Float] {
    let values: [Float]
    do throws(FileError) {
      values = try source.values(range)
    } catch {
      throw FileError(file: error.file, tensor: name, problem: error.problem)
    }
    if let index = firstNonFinite(values) {
      throw FileError(
        file: path, tensor: name,
        problem: "value \(values[index]) at flat index \(range.lowerBound + index), expected finite weights")
    }
    return values
  }

  private func source(_ name: String) throws(FileError) -> any TensorSource {
    guard let source = sources[name] else { throw missing(name) }
    return source
  }

  private func missing(_ name: String) -> FileError {
    FileError(file: path, tensor: name, problem: "not in the checkpoint")
  }
}

/// Index of the first NaN or infinity in `values`.
func firstNonFinite(_ values: [Float]) -> Int? {
  let exponent: UInt32 = 0x7F80_0000
  return values.withUnsafeBufferPointer { buffer in
    // One branch per block keeps the scan of the usual, clean tensor a plain reduction.
    var start = 0
    while start < buffer.count {
      let end = min(start + 4096, buffer.count)
      var found: UInt32 = 0
      for i in start..<end where buffer[i].bitPattern & exponent == exponent { found |= 1 }
      if found != 0 { return (start..<end).first { !buffer[$0].isFinite } }
      start = end
    }
    return nil
  }
}
