import E3Host

/// The images of an IDX file.
struct IDXImages: ImageSource {
  let path: String
  let count: Int
  private let size: ImageSize
  private let file: IDXFile

  init(path: String) throws(FileError) {
    let file = try IDXFile(path: path)
    guard file.element == .uint8 else {
      throw FileError(file: path, problem: "IDX images of another type than unsigned bytes")
    }
    size = try ImageSize(shape: file.shape, path: path)
    count = file.shape[0]
    self.path = path
    self.file = file
  }

  func image(at index: Int) throws(FileError) -> DataSetImage {
    .picture(size.picture(file.bytes(index * size.values..<(index + 1) * size.values)))
  }

  func name(of index: Int) -> String { "\(path): image \(index)" }
}
