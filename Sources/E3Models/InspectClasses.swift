import CE3
import E3Format
import E3Host

/// What a file of learned classes (.e3c) holds: for people, or as one JSON object in one line.
///
/// Its classes can be listed without the model that they are of; whether the two belong together is not known here.
/// - Returns: nil when the file is of another kind.
/// - Throws: a file that cannot be read or is damaged.
public func classesInspection(path: String, asJSON: Bool) throws(FileError) -> String? {
  let file = try MappedFile(path: path)
  let headerSize = MemoryLayout<e3_classes_header>.size
  guard file.bytes.count >= headerSize, file.bytes.load(as: UInt64.self) == E3_CLASSES_MAGIC else { return nil }
  // Only read, as a class says what it is without being changed.
  guard let start = UnsafeMutableRawPointer(mutating: file.bytes.baseAddress), let classes = try? Classes(at: start),
    classes.header.version_major == UInt32(E3_CLASSES_VERSION_MAJOR), file.bytes.count >= classes.layout.bytes,
    classes.header.body_checksum
      == XXH64.hash(UnsafeRawBufferPointer(rebasing: file.bytes[headerSize..<classes.layout.bytes]))
  else { throw FileError(file: path, problem: "learned classes (.e3c) that are damaged, or of another version") }
  return withExtendedLifetime(file) { asJSON ? json(classes, path) : text(classes, path) }
}

private func text(_ classes: Classes, _ path: String) -> String {
  var lines = [
    "\(inOneLine(path)): \(counted(classes.count, "learned class", "learned classes")), "
      + "room for \(classes.layout.capacity)"
  ]
  for index in 0..<classes.count {
    let record = classes.record(index)
    let pictures = counted(Int(record.pictures), "picture")
    let radius =
      isUnlike(record) ? "unlike, of none of the classes" : "radius \(decimals(Double(record.radius), 3))"
    lines.append("  \(inOneLine(label(classes, index))): \(pictures), \(radius)")
  }
  return lines.joined(separator: "\n")
}

private func json(_ classes: Classes, _ path: String) -> String {
  let list = (0..<classes.count).map { index -> JSONText in
    let record = classes.record(index)
    return .object([
      ("label", .text(label(classes, index))), ("is_unlike", .flag(isUnlike(record))),
      ("pictures", .integer(Int(record.pictures))), ("agreement", .number(Double(record.agreement))),
      ("radius", .number(Double(record.radius))),
    ])
  }
  return JSONText.object([
    ("file", .text(fileName(path))), ("capacity", .integer(classes.layout.capacity)), ("classes", .array(list)),
  ]).description
}

private func label(_ classes: Classes, _ index: Int) -> String { String(decoding: classes.label(index), as: UTF8.self) }

private func isUnlike(_ record: e3_classes_record) -> Bool { record.kind == UInt32(E3_CLASS_UNLIKE) }
