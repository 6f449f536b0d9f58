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

  /// Patterns that match `names` and nothing else of `all`: folders where they can be, else single names. No more than
  /// one above `limit`.
  static func leavingOut(_ names: [String], of all: some Sequence<String>, limit: Int) -> [String] {
    let (own, others) = (SortedNames(names), SortedNames(Set(all).subtracting(names)))
    var patterns: [String] = []
    for name in names where patterns.count <= limit && !patterns.contains(where: { NamePattern($0).matches(name) }) {
      let folder = SortedNames.folders(of: name).first { own.count(in: $0) > 1 && others.count(in: $0) == 0 }
      patterns.append(folder.map { "\($0)*" } ?? name)
    }
    return patterns
  }
}
