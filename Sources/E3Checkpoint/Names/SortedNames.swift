/// Names of tensors in the order of their bytes, where those of one folder lie side by side.
struct SortedNames {
  private let names: [String]

  init(_ names: some Sequence<String>) {
    self.names = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// How many names begin with `folder`. Costs a search by halves.
  func count(in folder: Substring) -> Int {
    let length = folder.utf8.count
    let start = firstIndex { !$0.utf8.lexicographicallyPrecedes(folder.utf8) }
    return firstIndex { folder.utf8.lexicographicallyPrecedes($0.utf8.prefix(length)) } - start
  }

  /// The first index from which on `isBehind` holds.
  private func firstIndex(where isBehind: (String) -> Bool) -> Int {
    var range = 0..<names.count
    while !range.isEmpty {
      let middle = range.lowerBound + range.count / 2
      range = isBehind(names[middle]) ? range.lowerBound..<middle : middle + 1..<range.upperBound
    }
    return range.lowerBound
  }

  /// What stands before each slash and dot of `name`, with it: `a/`, `a/b.` of `a/b.c`.
  static func folders(of name: String) -> [Substring] {
    name.utf8.indices.filter { name.utf8[$0] == UInt8(ascii: "/") || name.utf8[$0] == UInt8(ascii: ".") }
      .map { name[...$0] }
  }
}
