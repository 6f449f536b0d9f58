/// Number of elements of an array of `shape`; nil when a dimension is negative or the count leaves `Int`.
package func elementCount(of shape: some Sequence<Int>) -> Int? {
  var count = 1
  for extent in shape {
    guard extent >= 0 else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    guard !overflow else { return nil }
    count = product
  }
  return count
}

/// Whether arithmetic with the extents of `shape` stays inside `Int` also where one of them is 0: none is negative, and
/// the product of the others is at most 2^56.
package func isComputable(_ shape: some Sequence<Int>) -> Bool {
  guard let count = elementCount(of: shape.map { $0 == 0 ? 1 : $0 }) else { return false }
  return count <= 1 << 56
}

/// `a * b`, or nil when the product leaves `Int`.
package func checkedProduct(_ a: Int, _ b: Int) -> Int? {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow ? nil : product
}

/// `a + b`, or nil when the sum leaves `Int`.
package func checkedSum(_ a: Int, _ b: Int) -> Int? {
  let (sum, overflow) = a.addingReportingOverflow(b)
  return overflow ? nil : sum
}
