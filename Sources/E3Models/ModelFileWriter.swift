import E3Format
import E3Host

/// Writes a `.e3` file extent by extent, in the plan's order, with constant memory. What a network has in common with an
/// earlier one is stored once.
///
/// The file gets its name in ``commit()``; until then it cannot be seen, and an abandoned writer leaves nothing.
package final class ModelFileWriter {
  /// What an extent is of.
  package struct Extent {
    /// The network; nil for an optional section.
    package let network: Int?
    package let entry: ExtentPlan.Entry
  }

  private let shapes: [ModelShape]
  /// Every extent, in the order of the table.
  private let extents: [Extent]
  private let sections: [(kind: ExtentKind, length: Int)]
  private let file: AtomicFile
  private var table: [e3_file_extent] = []
  /// Checksum of the extent being written; nil between extents.
  private var hash: XXH64?
  private var remaining = 0
  /// Where the file ended before the extent being written.
  private var previousEnd = 0
  /// Table indices of the extents of one kind, block and index, network by network.
  private var counterparts: [Key: [Int]] = [:]

  private struct Key: Hashable {
    let kind: UInt32, block: UInt32, index: UInt32

    init(_ extent: e3_file_extent) { (kind, block, index) = (extent.kind, extent.block, extent.index) }
  }

  /// Starts a file of networks of `shapes`; `sections` are the optional ones, in ascending kind.
  ///
  /// - Parameter encoding: which MLPs and experts of a network have int4 weights.
  package init(
    path: String, shapes: [ModelShape], sections: [(kind: ExtentKind, length: Int)],
    encoding: (Int, ExtentPlan.Entry) -> ExtentEncoding = { $1.encoding }
  ) throws(FileError) {
    (self.shapes, self.sections) = (shapes, sections)
    let plans = shapes.map { ExtentPlan($0) }
    func extents(_ range: (ExtentPlan) -> Range<Int>) -> [Extent] {
      plans.enumerated().flatMap { network, plan in
        range(plan).map { index in
          Extent(network: network, entry: plan.entry(at: index, encoding: encoding(network, plan.entry(at: index))))
        }
      }
    }
    self.extents =
      extents { 0..<$0.floatCount }
      + sections.map { Extent(network: nil, entry: ExtentPlan.section($0.kind, length: $0.length)) }
      + extents { $0.floatCount..<$0.count }
    file = try AtomicFile(path: path)
    try pad(to: Int(ExtentPlan.tableEnd(extentCount: extentCount, networks: shapes.count)))
  }

  /// Entries of the table.
  package var extentCount: Int { extents.count }

  /// Share of the extents' bytes that have been written, 0 to 1.
  package var share: Double {
    func bytes(_ extents: ArraySlice<Extent>) -> Double { extents.reduce(0) { $0 + Double($1.entry.length) } }
    return (bytes(extents[..<table.count]) - Double(remaining)) / bytes(extents[...])
  }

  /// Starts the next extent; ``write(_:)`` must then be given exactly its bytes.
  @discardableResult
  package func beginExtent() throws(FileError) -> Extent {
    precondition(table.count < extentCount, "more extents than the plan has")
    try endExtent()
    let extent = extents[table.count]
    let entry = extent.entry
    previousEnd = file.size
    let offset = ExtentPlan.aligned(UInt64(file.size), to: entry.alignment)
    try pad(to: Int(offset))
    table.append(
      e3_file_extent(
        kind: UInt32(entry.kind.rawValue), block: UInt32(entry.block), index: UInt32(entry.expert),
        encoding: UInt32(entry.encoding.rawValue), offset: offset, length: entry.length, checksum: 0))
    hash = XXH64()
    remaining = Int(entry.length)
    return extent
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

  /// Writes header, configurations and table; the file is then complete but still has no name.
  ///
  /// - Parameter minorVersion: The lowest that covers what its sections say.
  package func seal(minorVersion: Int = 0) throws(FileError) {
    try endExtent()
    precondition(table.count == extentCount, "fewer extents than the plan has")
    var header = e3_file_header()
    header.magic = UInt64(E3_FILE_MAGIC)
    header.version_major = UInt32(E3_FILE_VERSION_MAJOR)
    let least = sections.map { $0.kind == .earlyStops ? 2 : $0.kind == .expertUses ? 1 : 0 }.max() ?? 0
    header.version_minor = UInt32(max(least, minorVersion))
    header.numerics = UInt32(E3_FILE_NUMERICS)
    header.network_count = UInt32(shapes.count)
    header.file_size = UInt64(file.size)
    header.extent_count = UInt32(table.count)
    var head = bytes(of: header) + shapes.flatMap { bytes(of: $0.config) } + table.flatMap { bytes(of: $0) }
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
  package func commit(inPlace: Bool = false) throws(FileError) { try file.commit(inPlace: inPlace) }

  private func endExtent() throws(FileError) {
    precondition(remaining == 0, "fewer bytes than the extent has")
    guard let hash else { return }
    self.hash = nil
    let index = table.count - 1
    table[index].checksum = hash.digest
    guard shapes.count > 1, extents[index].network != nil else { return }
    let key = Key(table[index])
    for other in counterparts[key] ?? [] where try isEqual(table[other], table[index]) {
      table[index].offset = table[other].offset
      try file.truncate(to: previousEnd)
      return
    }
    counterparts[key, default: []].append(index)
  }

  /// Whether two extents have the same bytes.
  private func isEqual(_ a: e3_file_extent, _ b: e3_file_extent) throws(FileError) -> Bool {
    guard (a.length, a.encoding, a.checksum) == (b.length, b.encoding, b.checksum) else { return false }
    return try file.withMappedBytes { all in
      all[Int(a.offset)..<Int(a.offset + a.length)].elementsEqual(all[Int(b.offset)..<Int(b.offset + b.length)])
    }
  }

  private func pad(to offset: Int) throws(FileError) {
    try file.write([UInt8](repeating: 0, count: offset - file.size))
  }
}

private func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
