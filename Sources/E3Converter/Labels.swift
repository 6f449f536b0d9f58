import E3Host

/// Reads a label file: UTF-8, one label per line, the line number being the class index.
///
/// - Throws: an unreadable file, another number of lines than `classCount`, bytes that are not UTF-8, control characters.
func readLabels(path: String, classCount: Int) throws(FileError) -> [String] {
  let bytes = try readTextFile(path: path)
  guard let text = String(validating: bytes, as: UTF8.self) else {
    throw FileError(file: path, problem: "not UTF-8 text")
  }
  // Editors of some systems begin the file with a byte-order mark or end lines with CR LF.
  var lines = text.unicodeScalars.drop { $0 == "\u{FEFF}" }.split(separator: "\n", omittingEmptySubsequences: false)
    .map { line in String(String.UnicodeScalarView(line.last == "\r" ? line.dropLast() : line)) }
  if lines.last == "" { lines.removeLast() }
  guard lines.count == classCount else {
    throw FileError(file: path, problem: "\(lines.count) labels, expected one for each of \(classCount) classes")
  }
  for (index, line) in lines.enumerated() {
    guard line.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
      throw FileError(file: path, problem: "label \(index) holds a control character")
    }
  }
  return lines
}

/// The labels section: ends of the texts, then the texts.
func labelSection(_ labels: [String]) -> [UInt8] {
  var ends: [UInt8] = []
  var texts: [UInt8] = []
  for label in labels {
    texts += label.utf8
    withUnsafeBytes(of: UInt32(texts.count).littleEndian) { ends += $0 }
  }
  return ends + texts
}
