import Foundation

/// The conditions of the decisions in a source file of `E3Format`: the parts, between commas, `&&` and `||`, of what stands
/// between `guard` and `else`, `if` or `where` and `{`, and of what a `?` or a result of several parts decides.
struct SourceConditions {
  private(set) var conditions: [String] = []

  init(_ name: String) throws {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let lines = try String(contentsOfFile: "\(root)/Sources/E3Format/\(name)", encoding: .utf8)
      .split(separator: "\n").map { line in line[..<(line.firstRange(of: "//")?.lowerBound ?? line.endIndex)] }
      .map { $0.split(separator: " ").joined(separator: " ") }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
    var rest = Substring(" " + lines.joined(separator: " "))
    while let next = Self.nextStart(in: rest) {
      rest = rest[next.range.upperBound...]
      let end = Self.end(of: rest, before: next.ends)
      add(rest[..<end])
    }
  }

  private static let starts: [(start: String, ends: [String])] = [
    (" guard ", [" else "]), (" if ", [" {"]), (" where ", [" {"]), (" return ", [" ? "]), ("-> Bool { ", [" }"]),
  ]

  private static func nextStart(in text: Substring) -> (range: Range<Substring.Index>, ends: [String])? {
    starts.compactMap { entry in text.firstRange(of: entry.start).map { ($0, entry.ends) } }
      .min { $0.0.lowerBound < $1.0.lowerBound }
  }

  /// Where a decision ends: before one of `ends` outside of parentheses; at once where another statement comes before.
  private static func end(of text: Substring, before ends: [String]) -> Substring.Index {
    var depth = 0
    for index in text.indices {
      let here = text[index...]
      if depth == 0, ends.contains(where: here.hasPrefix) { return index }
      if depth == 0, ["guard ", "return ", "case ", "}"].contains(where: here.hasPrefix) { break }
      if "([".contains(text[index]) { depth += 1 }
      if ")]".contains(text[index]) { depth -= 1 }
    }
    return text.startIndex
  }

  private mutating func add(_ decision: Substring) {
    var (depth, part) = (0, "")
    func isSplit(_ text: Substring) -> Int {
      text.hasPrefix(" && ") || text.hasPrefix(" || ") ? 4 : text.hasPrefix(", ") ? 2 : 0
    }
    var index = decision.startIndex
    while index < decision.endIndex {
      let length = depth == 0 ? isSplit(decision[index...]) : 0
      if length > 0 {
        append(part)
        part = ""
        index = decision.index(index, offsetBy: length)
        continue
      }
      if "([".contains(decision[index]) { depth += 1 }
      if ")]".contains(decision[index]) { depth -= 1 }
      part.append(decision[index])
      index = decision.index(after: index)
    }
    append(part)
  }

  private mutating func append(_ part: String) {
    if part.isEmpty || part.hasPrefix("let ") || part.hasPrefix("var ") { return }
    conditions.append(part)
  }
}
