import E3Format

/// Edits of a file's bytes, and the checks that tests make on the result.
extension [UInt8] {
  package static var configOffset: Int { MemoryLayout<e3_file_header>.size }
  package var tableOffset: Int { Self.configOffset + networkCount * MemoryLayout<e3_file_config>.size }
  /// As the header says, as far as it can be.
  private var networkCount: Int { Swift.min(Int(header.network_count), Int(E3_FILE_MAX_NETWORKS)) }

  package var header: e3_file_header {
    get { read(at: 0) }
    set { write(newValue, at: 0) }
  }

  package var config: e3_file_config {
    get { read(at: Self.configOffset) }
    set { write(newValue, at: Self.configOffset) }
  }

  package subscript(config network: Int) -> e3_file_config {
    get { read(at: Self.configOffset + network * MemoryLayout<e3_file_config>.size) }
    set { write(newValue, at: Self.configOffset + network * MemoryLayout<e3_file_config>.size) }
  }

  package subscript(extent index: Int) -> e3_file_extent {
    get { read(at: tableOffset + index * MemoryLayout<e3_file_extent>.size) }
    set { write(newValue, at: tableOffset + index * MemoryLayout<e3_file_extent>.size) }
  }

  package func read<T: BitwiseCopyable>(at offset: Int) -> T {
    withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }

  package mutating func write<T: BitwiseCopyable>(_ value: T, at offset: Int) {
    withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: T.self) }
  }

  /// Index of the first table entry of `kind`.
  package func extentIndex(of kind: ExtentKind) -> Int? {
    (0..<Int(header.extent_count)).first { self[extent: $0].kind == UInt32(kind.rawValue) }
  }

  /// Changes a value inside an extent, which must exist, and mends the extent's checksum.
  package mutating func write<T: BitwiseCopyable>(_ value: T, in kind: ExtentKind, at offset: Int) throws {
    guard let index = extentIndex(of: kind) else { throw E3Error.fileTable }
    write(value, at: Int(self[extent: index].offset) + offset)
    resealExtent(index)
    reseal()
  }

  package mutating func resealExtent(_ index: Int) {
    let extent = self[extent: index]
    self[extent: index].checksum = self[Int(extent.offset)..<Int(extent.offset + extent.length)]
      .withUnsafeBytes { XXH64.hash($0) }
  }

  /// Mends the checksum over header, configuration and table.
  package mutating func reseal() {
    let end = Int(ExtentPlan.tableEnd(extentCount: Int(header.extent_count), networks: networkCount))
    guard end <= count else { return }
    header.checksum = self[..<end].withUnsafeBytes { FileHeader.checksum($0) }
  }

  /// Runs `body` on a 64-byte aligned copy that ends where the allocation ends, so that a sanitizer sees every overrun.
  package func withAligned<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer { copy.deallocate() }
    copy.copyBytes(from: self)
    return try body(UnsafeRawBufferPointer(copy))
  }

  /// The error of opening these bytes as a model; nil when they are valid.
  package var openError: E3Error? {
    withAligned { bytes in
      do throws(E3Error) {
        _ = try ModelFile(validating: bytes)
        return nil
      } catch {
        return error
      }
    }
  }

  /// The error of opening and verifying; nil when there is none.
  package var verifyError: E3Error? {
    withAligned { bytes in
      do throws(E3Error) {
        try ModelFile(validating: bytes).verifyChecksums()
        return nil
      } catch {
        return error
      }
    }
  }
}
