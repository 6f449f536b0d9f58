import CZlib

/// A zip file of stored members, as PyTorch writes it.
package func storedZip(_ members: [(name: String, bytes: [UInt8])]) -> [UInt8] {
  func little(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> (8 * $0) & 0xFF) } }
  var file: [UInt8] = []
  var directory: [UInt8] = []
  for (name, bytes) in members {
    let sizes = zipChecksum(bytes) + little(bytes.count, 4) + little(bytes.count, 4) + little(name.utf8.count, 2)
    directory += [0x50, 0x4B, 1, 2] + little(0, 12) + sizes + little(0, 12) + little(file.count, 4) + name.utf8
    file += [0x50, 0x4B, 3, 4] + little(0, 10) + sizes + little(0, 2) + name.utf8 + bytes
  }
  let end =
    [0x50, 0x4B, 5, 6] + little(0, 4) + little(members.count, 2) + little(members.count, 2)
    + little(directory.count, 4) + little(file.count, 4) + little(0, 2)
  return file + directory + end
}

/// The checksum of a zip file's member, as its fields have it.
package func zipChecksum(_ bytes: [UInt8]) -> [UInt8] {
  let sum = crc32_z(0, bytes, bytes.count)
  return (0..<4).map { UInt8(truncatingIfNeeded: sum >> (8 * $0)) }
}
