import E3Host
import Glibc

/// A folder of pictures, or of one folder of pictures for each class.
///
/// Names are taken in the order of their bytes, so that every machine reads the same data set. Hidden files, files whose
/// names do not end as pictures do and ``litter`` are passed over; pictures of other forms and folders within a class are
/// refused, as a data set without them would be another one.
struct PictureFolder: ImageSource {
  let labels: [Int]?
  let classNames: [String]?
  private let files: [String]
  private let alpha: PictureAlpha
  private let transparent = PictureCounter()
  private let several = PictureCounter()
  let orderDoubt: String?

  var count: Int { files.count }
  var transparentCount: Int { transparent.count }
  var severalCount: Int { several.count }

  init(path: String, alpha: PictureAlpha) throws(FileError) {
    self.alpha = alpha
    let names = try directoryEntries(path)
    let (folders, beside) = try parted(names, in: path)
    let classes = folders.filter { !Self.litter.contains($0) }
    if classes.isEmpty {
      let pictures = try pictures(beside, in: path)
      guard !pictures.isEmpty else { throw FileError(file: path, problem: "no pictures and no folders") }
      files = pictures.map { "\(path)/\($0)" }
      (labels, classNames) = (nil, nil)
      let doubt = zip(pictures, pictures.dropFirst()).first { hasSmallerNumber($1, than: $0) }
      orderDoubt = doubt.map { "\($0) comes before \($1): give their numbers the same length, as 007 and 012" }
      return
    }
    guard try pictures(beside, in: path).isEmpty else {
      throw FileError(file: path, problem: "holds pictures beside folders; expected one of the two")
    }
    var paths: [String] = []
    var labels: [Int] = []
    for (index, folder) in classes.enumerated() {
      let classPath = "\(path)/\(folder)"
      let names = try directoryEntries(classPath)
      let (inner, files) = try parted(names, in: classPath)
      if let other = inner.first(where: { !Self.litter.contains($0) }) {
        throw FileError(file: "\(classPath)/\(other)", problem: "a folder within a class; expected pictures")
      }
      let inside = try pictures(files, in: classPath)
      guard !inside.isEmpty else { throw FileError(file: classPath, problem: "no pictures") }
      paths += inside.map { "\(classPath)/\($0)" }
      labels += Array(repeating: index, count: inside.count)
    }
    (files, self.labels, classNames, orderDoubt) = (paths, labels, classes, nil)
  }

  /// Folders that operating systems and network drives leave among others; none is a class. As `e3-train` has them.
  private static let litter: Set = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"]

  func image(at index: Int) throws(FileError) -> DataSetImage {
    let file = try MappedFile(path: files[index])
    let picture = try decodePicture(file.bytes, path: files[index], alpha: alpha)
    several.look(at: index) { holdsSeveral(file.bytes) }
    if alpha == .white {
      transparent.look(at: index) { showsTransparency(picture, file.bytes, path: files[index]) }
    }
    return .picture(picture)
  }

  func name(of index: Int) -> String { files[index] }
}

/// Whether the first difference between two names is a number that is smaller in `name`.
private func hasSmallerNumber(_ name: String, than other: String) -> Bool {
  func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  let (one, two) = (Array(name.utf8), Array(other.utf8))
  var start = 0
  while start < min(one.count, two.count), one[start] == two[start] { start += 1 }
  while start > 0, isDigit(one[start - 1]) { start -= 1 }
  let numbers = [one, two].map { $0[start...].prefix(while: isDigit).drop { $0 == UInt8(ascii: "0") } }
  guard start < one.count, start < two.count, isDigit(one[start]), isDigit(two[start]) else { return false }
  return numbers[0].count != numbers[1].count
    ? numbers[0].count < numbers[1].count : numbers[0].lexicographicallyPrecedes(numbers[1])
}

/// Those of `names` that are folders, and the others.
///
/// - Throws: an entry that cannot be looked at: it may be a class, as a link to a disk that is not mounted is.
private func parted(
  _ names: [String], in folder: String
) throws(FileError) -> (folders: [String], others: [String]) {
  var parts: (folders: [String], others: [String]) = ([], [])
  for name in names {
    var status = stat()
    let path = "\(folder)/\(name)"
    if stat(path, &status) != 0 {
      let (cause, text) = (errno, systemErrorText())
      let isLink = (cause == ENOENT || cause == ENOTDIR) && lstat(path, &status) == 0
      let lost = "a link to what is not there: mount or copy it, or remove the link"
      throw FileError(file: path, problem: isLink ? lost : text)
    }
    if status.st_mode & S_IFMT == S_IFDIR { parts.folders.append(name) } else { parts.others.append(name) }
  }
  return parts
}

/// Those of `names` that are pictures.
///
/// - Throws: a picture of a form that is not read.
private func pictures(_ names: [String], in folder: String) throws(FileError) -> [String] {
  if let other = names.first(where: { ends($0, in: otherEndings) }) {
    throw FileError(file: "\(folder)/\(other)", problem: "expected JPEG, PNG or PNM pictures")
  }
  return names.filter { ends($0, in: endings) }
}

/// Endings of the pictures that are read, whose bytes then say which of the forms they have. As `e3-train` has them.
private let endings = [
  ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo", ".png", ".pbm", ".pgm", ".ppm", ".pnm",
]

/// Endings of other pictures and of films. As `e3-train` has them.
private let otherEndings = [
  ".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".ico", ".jp2", ".jps", ".jxl", ".pam", ".psd", ".svg", ".tga",
  ".tif", ".tiff", ".webp",
  // of cameras, unprocessed
  ".arw", ".cr2", ".cr3", ".dng", ".nef", ".raw",
  // films
  ".avi", ".mkv", ".mov", ".mp4", ".webm",
]

/// Whether `name` has one of the endings, in small or capital letters.
private func ends(_ name: String, in endings: [String]) -> Bool {
  let name = name.lowercased()
  return endings.contains { name.hasSuffix($0) }
}

/// The names in a directory that are not hidden, in the order of their bytes.
///
/// - Throws: a directory that cannot be read, a name that is no UTF-8.
private func directoryEntries(_ path: String) throws(FileError) -> [String] {
  guard let directory = opendir(path) else { throw FileError(file: path, problem: systemErrorText()) }
  defer { closedir(directory) }
  var names: [String] = []
  errno = 0
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
      tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)) {
        String(validatingCString: $0)
      }
    }
    guard let name else { throw FileError(file: path, problem: "holds a name that is not UTF-8") }
    if !name.hasPrefix(".") { names.append(name) }
    errno = 0
  }
  if errno != 0 { throw FileError(file: path, problem: systemErrorText()) }
  return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
