import Glibc

extension String {
  /// Whether `text`, which is not empty, stands in it, byte for byte. `contains` compares characters, at a far higher cost.
  func holds(_ text: String) -> Bool {
    var (whole, part) = (self, text)
    return whole.withUTF8 { whole in
      part.withUTF8 { part in
        guard let start = whole.baseAddress, let wanted = part.baseAddress, part.count <= whole.count else {
          return false
        }
        return (0...whole.count - part.count).contains { offset in
          start[offset] == wanted[0] && memcmp(start + offset, wanted, part.count) == 0
        }
      }
    }
  }
}
