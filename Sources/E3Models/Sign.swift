import CE3Signature
import E3Host

/// Verifies a model file and writes its signature to `PATH.minisig`.
///
/// - Parameters:
///   - keyPath: A secret key of minisign's without a password.
///   - progress: Is told the share of the file that is verified, 0 to 1.
/// - Throws: a damaged model, a key that cannot be used, an output that cannot be written.
public func sign(model path: String, key keyPath: String, progress: (Double) -> Void = { _ in }) throws(FileError) {
  var key = ce3_secret_key()
  let keyFile = try MappedFile(path: keyPath)
  // A key is two lines, however long the file is.
  let count = min(keyFile.bytes.count, Int(CE3_SIGNATURE_MAX_TEXT))
  let read = ce3_read_secret_key(keyFile.bytes.baseAddress?.assumingMemoryBound(to: CChar.self), count, &key)
  guard read == CE3_SIGNATURE_OK else { throw FileError(file: keyPath, problem: text(of: read)) }
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in try verify(model: path, progress: progress) }

  let name = path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
  var signature = [CChar](repeating: 0, count: Int(CE3_SIGNATURE_MAX_TEXT))
  let bytes = model.bytes
  let made = ce3_sign(
    bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count, "file:\(name)\thashed", &key, &signature)
  guard made == CE3_SIGNATURE_OK else { throw FileError(file: path, problem: text(of: made)) }
  let output = try AtomicFile(path: "\(path).minisig")
  try output.write(signature.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) })
  try watch.requireUnchanged()
  try output.commit()
}

private func text(of result: ce3_signature_result) -> String { String(cString: ce3_signature_text(result)) }
