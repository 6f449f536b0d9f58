import E3Host

/// The images of an IDX file.
struct IDXImages: ImageSource {
  let path: String
  let count: Int
  private let size: ImageSize
  private let file: IDXFile

  init(path: String) throws(FileError) {
    let file = try IDXFile(path: path) { (header, compressed) throws(FileError) in
      let size = try Self.size(header.element, header.shape, path)
      try size.requireRoom(for: header.shape[0], compressed: compressed, path: path)
    }
    size = try Self.size(file.element, file.shape, path)
    count = file.shape[0]
    self.path = path
    self.file = file
  }

  private static func size(_ element: IDXFile.Element, _ shape: [Int], _ path: String) throws(FileError) -> ImageSize {
    guard element == .uint8 else {
      throw FileError(file: path, problem: "IDX images of another type than unsigned bytes")
    }
    return try ImageSize(shape: shape, path: path)
  }

  func image(at index: Int) throws(FileError) -> DataSetImage {
    .picture(size.picture(file.bytes(index * size.values..<(index + 1) * size.values)))
  }

  func name(of index: Int) -> String { "\(path): image \(index)" }
}
