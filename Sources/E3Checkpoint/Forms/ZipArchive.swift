import CZlib
import E3Host

/// The members of a zip file: stored or deflated, zip64 included.
///
/// Source: PKWARE's APPNOTE.TXT, sections 4.3.7 to 4.3.16 and 4.5.3.
struct ZipArchive {
  struct Member {
    let name: String
    let isDeflated: Bool
    let checksum: UInt32
    /// Bytes after inflation.
    let size: Int
    /// The member's bytes in the file.
    let stored: Range<Int>
  }

  let file: MappedFile
  let members: [Member]

  init(_ file: MappedFile) throws(FileError) {
    self.file = file
    let directory = try Self.findDirectory(file)
    var members: [Member] = []
    var names: Set<String> = []
    var position = directory.start
    for _ in 0..<directory.count {
      let (member, next) = try Self.readEntry(file, at: position)
      guard names.insert(member.name).inserted else {
        throw FileError(file: file.path, tensor: member.name, problem: "stored twice in the zip file")
      }
      members.append(member)
      position = next
    }
    try Self.requireDisjoint(members, file)
    self.members = members
  }

  /// No program that writes archives lets members share bytes. A small file would inflate to any size otherwise.
  private static func requireDisjoint(_ members: [Member], _ file: MappedFile) throws(FileError) {
    let sorted = members.sorted { $0.stored.lowerBound < $1.stored.lowerBound }
    for (member, next) in zip(sorted, sorted.dropFirst()) where next.stored.lowerBound < member.stored.upperBound {
      throw FileError(
        file: file.path, tensor: next.name, problem: "shares bytes of the zip file with \(member.name)")
    }
  }

  /// A little-endian number of `size` bytes at `offset`.
  private static func number(_ file: MappedFile, _ offset: Int, _ size: Int) throws(FileError) -> Int {
    guard offset >= 0, offset <= file.bytes.count - size else {
      throw FileError(file: file.path, problem: "truncated zip file")
    }
    var value: UInt64 = 0
    for i in (0..<size).reversed() { value = value << 8 | UInt64(file.bytes[offset + i]) }
    guard let result = Int(exactly: value) else {
      throw FileError(file: file.path, problem: "a zip field of \(value), expected less than 2^63")
    }
    return result
  }

  /// Finds the end-of-directory record, which a comment of up to 65535 bytes may follow.
  private static func findDirectory(_ file: MappedFile) throws(FileError) -> (start: Int, count: Int) {
    let recordSize = 22
    let fault = FileError(file: file.path, problem: "not a whole zip file: no end of central directory")
    guard file.bytes.count >= recordSize else { throw fault }
    var record = file.bytes.count - recordSize
    let first = max(0, record - 0xFFFF)
    func isRecord(at offset: Int) throws(FileError) -> Bool {
      // The first byte alone spares nearly all of the search.
      guard file.bytes[offset] == 0x50, try number(file, offset, 4) == 0x0605_4B50 else { return false }
      return try number(file, offset + 20, 2) == file.bytes.count - offset - recordSize
    }
    while try !isRecord(at: record) {
      guard record > first else { throw fault }
      record -= 1
    }
    var count = try number(file, record + 10, 2)
    var start = try number(file, record + 16, 4)
    let locator = record - 20
    if count == 0xFFFF || start == 0xFFFF_FFFF, locator >= 0, try number(file, locator, 4) == 0x0706_4B50 {
      let record64 = try number(file, locator + 8, 8)
      guard record64 < locator, try number(file, record64, 4) == 0x0606_4B50 else {
        throw FileError(file: file.path, problem: "the zip64 end of central directory is not where it should be")
      }
      count = try number(file, record64 + 32, 8)
      start = try number(file, record64 + 48, 8)
    }
    // An entry takes at least 46 bytes, which bounds a hostile count.
    guard start <= record, count <= (record - start) / 46 else {
      throw FileError(
        file: file.path, problem: "a central directory of \(counted(count, "member")) leaves the zip file")
    }
    return (start, count)
  }

  /// Reads the central directory entry at `entry`, and of its local header the lengths that say where the data start.
  private static func readEntry(_ file: MappedFile, at entry: Int) throws(FileError) -> (Member, next: Int) {
    guard try number(file, entry, 4) == 0x0201_4B50 else {
      throw FileError(file: file.path, problem: "bad zip directory entry at byte \(entry)")
    }
    let flags = try number(file, entry + 8, 2)
    let method = try number(file, entry + 10, 2)
    let checksum = UInt32(try number(file, entry + 16, 4))
    var storedSize = try number(file, entry + 20, 4)
    var size = try number(file, entry + 24, 4)
    let nameLength = try number(file, entry + 28, 2)
    let extraLength = try number(file, entry + 30, 2)
    let commentLength = try number(file, entry + 32, 2)
    var local = try number(file, entry + 42, 4)
    let nameStart = entry + 46
    let next = nameStart + nameLength + extraLength + commentLength
    guard next <= file.bytes.count,
      let name = readableText(file.bytes[nameStart..<nameStart + nameLength])
    else { throw FileError(file: file.path, problem: "bad name in the zip directory entry at byte \(entry)") }
    func fault(_ problem: String) -> FileError {
      FileError(file: file.path, tensor: name, problem: problem)
    }

    // The zip64 extra field holds, in this order, exactly the numbers whose short field is full.
    var extra = nameStart + nameLength
    let extraEnd = extra + extraLength
    while extra + 4 <= extraEnd {
      let kind = try number(file, extra, 2)
      let length = try number(file, extra + 2, 2)
      var field = extra + 4
      extra = field + length
      guard extra <= extraEnd else { throw fault("bad extra field in the zip directory") }
      guard kind == 1 else { continue }
      func wide(_ value: inout Int) throws(FileError) {
        guard value == 0xFFFF_FFFF else { return }
        guard field + 8 <= extra else { throw fault("short zip64 field") }
        value = try number(file, field, 8)
        field += 8
      }
      try wide(&size)
      try wide(&storedSize)
      try wide(&local)
    }

    guard flags & 1 == 0 else { throw fault("is encrypted") }
    guard method == 0 || method == 8 else { throw fault("zip method \(method), expected stored or deflated") }
    guard try number(file, local, 4) == 0x0403_4B50 else { throw fault("no local zip header at byte \(local)") }
    let localNameLength = try number(file, local + 26, 2)
    let localExtraLength = try number(file, local + 28, 2)
    let start = local + 30 + localNameLength + localExtraLength
    guard start <= file.bytes.count, storedSize <= file.bytes.count - start else {
      throw fault("\(storedSize) bytes at byte \(start) leave the zip file of \(file.bytes.count)")
    }
    if method == 0 {
      guard size == storedSize else { throw fault("stored with \(storedSize) bytes, expected \(size)") }
    } else {
      guard size / DeflateForm.largestRatio <= storedSize else {
        throw fault("\(size) bytes cannot come from \(storedSize) deflated")
      }
    }
    let member = Member(
      name: name, isDeflated: method == 8, checksum: checksum, size: size, stored: start..<start + storedSize)
    return (member, next)
  }
}

extension ZipArchive.Member {
  /// Compares the bytes of a stored member with its checksum. A deflated one is compared when it is read.
  func requireChecksum(in file: MappedFile) throws(FileError) {
    var sum = crc32(0, nil, 0)
    var range = stored
    while !range.isEmpty {
      let part = range.prefix(16 << 20)
      sum = crc32_z(sum, file.bytes.baseAddress! + part.lowerBound, part.count)
      file.release(part)
      range = part.upperBound..<range.upperBound
    }
    guard sum == UInt(checksum) else {
      throw FileError(file: file.path, tensor: name, problem: "wrong zip checksum")
    }
  }
}
