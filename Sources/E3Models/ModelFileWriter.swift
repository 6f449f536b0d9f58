import E3Format
import E3Host

/// Writes a `.e3` file extent by extent, in the plan's order, with constant memory.
///
/// The file gets its name in ``commit()``; until then it cannot be seen, and an abandoned writer leaves nothing.
package final class ModelFileWriter {
  package let shape: ModelShape
  private let plan: ExtentPlan
  private let sections: [(kind: ExtentKind, length: Int)]
  private let encoding: (ExtentPlan.Entry) -> ExtentEncoding
  private let file: AtomicFile
  private var table: [e3_file_extent] = []
  /// Checksum of the extent being written; nil between extents.
  private var hash: XXH64?
  private var remaining = 0

  /// Starts a file of `shape`; `sections` are the optional ones, in ascending kind.
  ///
  /// - Parameter encoding: which MLPs and experts have int4 weights.
  package init(
    path: String, shape: ModelShape, sections: [(kind: ExtentKind, length: Int)],
    encoding: @escaping (ExtentPlan.Entry) -> ExtentEncoding = { $0.encoding }
  ) throws(FileError) {
    self.shape = shape
    self.sections = sections
    self.encoding = encoding
    plan = ExtentPlan(shape)
    file = try AtomicFile(path: path)
    try pad(to: Int(ExtentPlan.tableEnd(extentCount: extentCount)))
  }

  /// Entries of the table.
  package var extentCount: Int { plan.count + sections.count }

  /// Starts the next extent; ``write(_:)`` must then be given exactly its bytes.
  @discardableResult
  package func beginExtent() throws(FileError) -> ExtentPlan.Entry {
    precondition(table.count < extentCount, "more extents than the plan has")
    endExtent()
    let entry = entry(ofTable: table.count)
    let offset = ExtentPlan.aligned(UInt64(file.size), to: entry.alignment)
    try pad(to: Int(offset))
    table.append(
      e3_file_extent(
        kind: UInt32(entry.kind.rawValue), block: UInt32(entry.block), index: UInt32(entry.expert),
        encoding: UInt32(entry.encoding.rawValue), offset: offset, length: entry.length, checksum: 0))
    hash = XXH64()
    remaining = Int(entry.length)
    return entry
  }

  private func entry(ofTable index: Int) -> ExtentPlan.Entry {
    let place = index - plan.floatCount
    if place < 0 { return plan.entry(at: index) }
    guard place < sections.count else {
      let planned = index - sections.count
      return plan.entry(at: planned, encoding: encoding(plan.entry(at: planned)))
    }
    return ExtentPlan.section(sections[place].kind, length: sections[place].length)
  }

  /// Appends `bytes` to the current extent.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    precondition(bytes.count <= remaining, "more bytes than the extent has")
    hash?.update(bytes)
    remaining -= bytes.count
    try file.write(bytes)
  }

  /// Appends `values`.
  package func write<Element: BitwiseCopyable>(_ values: [Element]) throws(FileError) {
    try values.withUnsafeBytes { (bytes) in Result { () throws(FileError) in try write(bytes) } }.get()
  }

  /// Writes header, configuration and table; the file is then complete but still has no name.
  package func seal() throws(FileError) {
    endExtent()
    precondition(table.count == extentCount, "fewer extents than the plan has")
    var header = e3_file_header()
    header.magic = UInt64(E3_FILE_MAGIC)
    header.version_major = UInt32(E3_FILE_VERSION_MAJOR)
    header.numerics = UInt32(E3_FILE_NUMERICS)
    header.network_count = 1
    header.file_size = UInt64(file.size)
    header.extent_count = UInt32(table.count)
    var head = bytes(of: header) + bytes(of: shape.config) + table.flatMap { bytes(of: $0) }
    header.checksum = head.withUnsafeBytes { FileHeader.checksum($0) }
    head.replaceSubrange(..<MemoryLayout<e3_file_header>.size, with: bytes(of: header))
    try file.overwrite(head, at: 0)
  }

  /// Replaces the end of the section `kind`, which the file has, after ``seal()``; the file must then be sealed again.
  package func replaceEnd<Element: BitwiseCopyable>(of kind: ExtentKind, with values: [Element]) throws(FileError) {
    guard let index = table.firstIndex(where: { $0.kind == kind.rawValue }) else {
      preconditionFailure("no such section")
    }
    let bytes = values.withUnsafeBytes { Array($0) }
    let extent = table[index]
    try file.overwrite(bytes, at: Int(extent.offset + extent.length) - bytes.count)
    table[index].checksum = try file.withMappedBytes { all in
      XXH64.hash(UnsafeRawBufferPointer(rebasing: all[Int(extent.offset)..<Int(extent.offset + extent.length)]))
    }
    hash = nil
  }

  /// The sealed file, mapped; valid during the call.
  package func withMappedBytes<R>(
    _ body: (UnsafeRawBufferPointer) throws(FileError) -> R
  ) throws(FileError) -> R {
    try file.withMappedBytes(body)
  }

  /// Gives the file its name, after ``seal()``.
  package func commit() throws(FileError) { try file.commit() }

  private func endExtent() {
    precondition(remaining == 0, "fewer bytes than the extent has")
    if let hash { table[table.count - 1].checksum = hash.digest }
    hash = nil
  }

  private func pad(to offset: Int) throws(FileError) {
    try file.write([UInt8](repeating: 0, count: offset - file.size))
  }
}

private func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
