import E3Host

/// The images of a `.npy` array: bytes are pictures, floats are prepared values.
struct NumpyImages: ImageSource {
  let count: Int
  private let size: ImageSize
  private let file: NumpyFile
  private let isPrepared: Bool
  var holdsValues: Bool { isPrepared }

  init(path: String) throws(FileError) {
    let file = try NumpyFile(path: path)
    switch file.elementType {
    case .uint8: isPrepared = false
    case .float16, .bfloat16, .float32, .float64: isPrepared = true
    default:
      throw FileError(
        file: path, problem: "images of type \(file.elementType.rawValue), expected bytes or floats")
    }
    size = try ImageSize(shape: file.shape, path: path)
    guard !isPrepared || file.shape.count == 4 else {
      throw FileError(file: path, problem: "shape \(file.shape), expected [N, height, width, channels] of floats")
    }
    count = file.shape[0]
    self.file = file
  }

  func image(at index: Int) throws(FileError) -> DataSetImage {
    let values = try file.values(index * size.values..<(index + 1) * size.values)
    guard isPrepared else { return .picture(size.picture(values.map { UInt8($0) })) }
    guard values.allSatisfy(\.isFinite) else {
      throw FileError(file: file.path, problem: "image \(index) holds a value that is not finite")
    }
    return .tensor(values)
  }

  func name(of index: Int) -> String { "\(file.path): image \(index)" }
}
