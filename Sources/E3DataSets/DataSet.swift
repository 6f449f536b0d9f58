import E3Host

/// Images on disk, with labels where there are some.
///
/// The form is recognised by what the path holds:
/// - an IDX file of unsigned bytes, `[N][height][width]` or `[N][height][width][1 or 3]`, as it is or compressed with
///   gzip;
/// - a `.npy` array of bytes of these shapes, or of floats `[N, height, width, channels]` in the model's value range;
/// - a folder of pictures (JPEG, PNG, PNM), or a folder of such folders, one for each class. Other files are passed
///   over, but not pictures of other forms or folders within a class: those are refused.
///
/// Images are read or decoded when they are asked for; only IDX files that are compressed are held in memory. Values of
/// this type may be used from several threads at once.
public struct DataSet: Sendable {
  /// Path as it was given.
  public let path: String
  /// Class of each image, from 0; nil without labels. For a folder of classes, ``classNames`` says what they mean.
  public let labels: [Int]?
  /// Names of the folders that the labels number, in the order of their bytes; nil for other forms.
  public let classNames: [String]?
  /// The file that the labels come from; nil where they are the folders' or there are none.
  let labelPath: String?
  /// Where this data set's images are in the source.
  private let range: Range<Int>
  private let source: any ImageSource

  /// Opens the images at `path`.
  ///
  /// - Parameter labels: An IDX or `.npy` file of integers, or a text file with one integer a line; nil: none, or those
  ///   of the folders.
  /// - Parameter alpha: What transparent pixels of pictures show.
  /// - Throws: a file that cannot be read or is malformed; no image; labels that are negative or of another number than
  ///   the images, or given for a folder of classes, which has its own, or for one of pictures with numbers of several
  ///   lengths, whose order is not certain.
  public init(path: String, labels labelPath: String? = nil, alpha: PictureAlpha = .white) throws(FileError) {
    let source = try openImages(path, alpha)
    self.path = path
    self.source = source
    range = 0..<source.count
    classNames = source.classNames
    self.labelPath = labelPath
    guard let labelPath else {
      labels = source.labels
      return
    }
    guard source.labels == nil else {
      throw FileError(file: path, problem: "the folders are the labels; no label file can be given")
    }
    if let doubt = source.orderDoubt {
      throw FileError(
        file: path, problem: "labels go by the order of the names' bytes, in which \(doubt)")
    }
    labels = try readClassLabels(path: labelPath) { (count) throws(FileError) in
      guard count != source.count else { return }
      throw FileError(
        file: labelPath, problem: "\(counted(count, "label")) for the \(counted(source.count, "image")) of \(path)")
    }
  }

  private init(_ whole: DataSet, range: Range<Int>) {
    path = whole.path
    labels = whole.labels.map { Array($0[range]) }
    classNames = whole.classNames
    labelPath = whole.labelPath
    self.range = whole.range.lowerBound + range.lowerBound..<whole.range.lowerBound + range.upperBound
    source = whole.source
  }

  /// Number of images, at least 1 unless it is an empty slice.
  public var count: Int { range.count }

  /// Number of the first image in the file or folder.
  var firstIndex: Int { range.lowerBound }

  /// The images `range` with their labels.
  ///
  /// - Precondition: `range` lies in `0 ..< count`.
  public subscript(range: Range<Int>) -> DataSet {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "no such images")
    return DataSet(self, range: range)
  }

  /// The images after the first `skip`, at most `limit` of them; nil when none are left.
  ///
  /// - Precondition: `skip` is 0 or more, `limit` 1 or more; both may be any number.
  public func part(skip: Int, limit: Int?) -> DataSet? {
    skip < count ? self[skip..<skip + min(limit ?? count, count - skip)] : nil
  }

  /// The image at `index`, below ``count``. Cost: reads or decodes it.
  ///
  /// - Throws: a picture that is damaged, values that are not finite.
  public func image(at index: Int) throws(FileError) -> DataSetImage {
    precondition(index >= 0 && index < count, "no such image")
    return try source.image(at: range.lowerBound + index)
  }

  /// Whether the images are prepared values, an array of floats.
  public var holdsValues: Bool { source.holdsValues }

  /// Pictures of the whole file or folder that were read so far and whose transparent pixels are shown on white, where
  /// that makes others of them.
  public var transparentCount: Int { source.transparentCount }

  /// Files of the whole folder that were read so far and hold more than the picture that was taken.
  public var severalCount: Int { source.severalCount }

  /// What messages call the image at `index`: the picture's file, or the data set's path and the number.
  public func name(ofImage index: Int) -> String { source.name(of: range.lowerBound + index) }
}

/// Images that are read one by one.
protocol ImageSource: Sendable {
  var count: Int { get }
  var labels: [Int]? { get }
  var classNames: [String]? { get }
  /// Why the order of the images may not be the one that somebody thinks of; nil where it is certain.
  var orderDoubt: String? { get }
  var holdsValues: Bool { get }
  var transparentCount: Int { get }
  var severalCount: Int { get }
  func image(at index: Int) throws(FileError) -> DataSetImage
  func name(of index: Int) -> String
}

extension ImageSource {
  var labels: [Int]? { nil }
  var classNames: [String]? { nil }
  var orderDoubt: String? { nil }
  var holdsValues: Bool { false }
  var transparentCount: Int { 0 }
  var severalCount: Int { 0 }
}

private func openImages(_ path: String, _ alpha: PictureAlpha) throws(FileError) -> any ImageSource {
  if isDirectory(path) { return try PictureFolder(path: path, alpha: alpha) }
  switch try FileForm(path: path) {
  case .npy: return try NumpyImages(path: path)
  case .idx, .gzip: return try IDXImages(path: path)
  case .other:
    throw FileError(
      file: path, problem: "neither an IDX file (.gz too), a .npy array nor a folder of pictures")
  }
}
