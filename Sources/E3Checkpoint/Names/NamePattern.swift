/// A pattern of tensor names: `*` stands for any text, everything else for itself.
struct NamePattern {
  private let pieces: [[UInt8]]

  init(_ pattern: String) {
    pieces = pattern.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
  }

  func matches(_ name: String) -> Bool {
    let name = Array(name.utf8)
    guard let first = pieces.first, let last = pieces.last, name.starts(with: first) else { return false }
    guard pieces.count > 1 else { return name == first }
    var position = first.count
    for piece in pieces.dropFirst().dropLast() {
      guard let found = Self.find(piece, in: name, from: position) else { return false }
      position = found + piece.count
    }
    return name.count - position >= last.count && name.suffix(last.count).elementsEqual(last)
  }

  private static func find(_ piece: [UInt8], in name: [UInt8], from start: Int) -> Int? {
    guard name.count - piece.count >= start else { return nil }
    return (start...name.count - piece.count).first { name[$0...].starts(with: piece) }
  }
}
