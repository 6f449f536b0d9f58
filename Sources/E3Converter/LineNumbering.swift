import E3Host

/// Numbers that the lines of a label file have at their beginning or their end, beside a name of their own: `0 crane`,
/// `crane,0`.
struct LineNumbering {
  /// Of each line.
  let numbers: [Int]
  let isLeading: Bool

  /// Nil where lines have no number, where their numbers are not those from 0 or from 1, and where two have the same name
  /// beside it: `grade 3` is a name. Of two lines both may have such names by chance: `2 euro`, `1 cent`.
  init?(_ lines: [String]) {
    for isLeading in [true, false] {
      let parts = lines.compactMap { Self.parts(of: $0, isLeading: isLeading) }
      guard parts.count == lines.count, parts.count > 2, Set(parts.map(\.name)).count == parts.count else { continue }
      let numbers = parts.map(\.number)
      let sorted = numbers.sorted()
      guard let first = sorted.first, first <= 1, sorted == Array(first..<first + lines.count) else { continue }
      (self.numbers, self.isLeading) = (numbers, isLeading)
      return
    }
    return nil
  }

  /// - Parameter note: Is told of lines that have the numbers of their classes.
  /// - Throws: lines in another order than their numbers.
  func requireOrder(path: String, note: (String) -> Void) throws(FileError) {
    let verb = isLeading ? "begins" : "ends"
    let first = numbers.min() ?? 0
    guard let index = numbers.indices.first(where: { numbers[$0] != first + $0 }) else {
      return note("\(path): every line \(verb) with a number, which is part of the label: take the numbers out")
    }
    throw FileError(
      file: path,
      problem:
        "line \(index + 1), the label of class \(index), \(verb) with the number \(numbers[index]): put the lines "
        + "in the order of the classes and take the numbers out")
  }

  /// The number at one end of a line and the rest without what parts them, as UTF-8; nil where there is none of the two.
  private static func parts(of line: String, isLeading: Bool) -> (number: Int, name: [UInt8])? {
    func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    func isWord(_ byte: UInt8) -> Bool {
      isDigit(byte) || byte >= 0x80 || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    func trimmed(_ bytes: some Sequence<UInt8>) -> [UInt8] { Array(bytes.drop { $0 == UInt8(ascii: " ") }) }
    // A number at the end is one at the beginning of the line read backwards.
    let text = trimmed(trimmed(line.utf8).reversed())
    let bytes = isLeading ? text.reversed() : text
    let digits = bytes.prefix(while: isDigit)
    guard let next = bytes.dropFirst(digits.count).first, !isWord(next) else { return nil }
    let name = Array(bytes.dropFirst(digits.count).drop { !isWord($0) })
    let number = String(decoding: isLeading ? Array(digits) : digits.reversed(), as: UTF8.self)
    guard let number = Int(number), !name.isEmpty else { return nil }
    return (number, name)
  }
}
