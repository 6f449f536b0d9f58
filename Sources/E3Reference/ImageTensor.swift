import E3Checkpoint
import E3Host

/// Prepared images for a model, read from a `.npy` file.
public struct ImageTensor: Sendable {
  /// N
  public let count: Int
  /// `[N][height][width][channels]` in the model's value range.
  public let values: [Float]

  /// Reads a float array of shape `[N, height, width, channels]`.
  ///
  /// - Throws: a file that is no such array, has another image size than `config` or holds values that are not finite.
  public init(path: String, for config: ModelConfig) throws(FileError) {
    let array = try NumpyArray(path: path)
    let expected = [config.imageHeight, config.imageWidth, config.channels]
    guard array.shape.count == 4, array.shape[0] > 0, Array(array.shape[1...]) == expected else {
      throw FileError(
        file: path, problem: "shape \(array.shape), expected [N, \(expected.map(String.init).joined(separator: ", "))]")
    }
    switch array.elementType {
    case .float32, .float16, .bfloat16, .float64: break
    default:
      // Bytes would pass as values far outside of the model's range.
      throw FileError(
        file: path,
        problem: "elements of type \(array.elementType.rawValue), expected floats in the model's value range")
    }
    if let index = array.values.firstIndex(where: { !$0.isFinite }) {
      throw FileError(
        file: path, problem: "value \(array.values[index]) at flat index \(index), expected finite values")
    }
    (count, values) = (array.shape[0], array.values)
  }

  /// Values of one image.
  public subscript(image: Int) -> ArraySlice<Float> {
    let size = values.count / count
    return values[image * size..<(image + 1) * size]
  }
}
