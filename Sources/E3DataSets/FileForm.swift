import E3Host
import Glibc

/// What the first bytes of a file say.
enum FileForm {
  case npy, idx, gzip, other

  init(path: String) throws(FileError) {
    let file = try MappedFile(path: path)
    if file.bytes.starts(with: [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) {
      self = .npy
    } else if file.bytes.starts(with: [0x1F, 0x8B]) {
      self = .gzip
    } else if file.bytes.starts(with: [0, 0]) {
      self = .idx
    } else {
      self = .other
    }
  }
}

/// Whether `path` names a directory.
package func isDirectory(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
