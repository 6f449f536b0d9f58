import CE3Files
import Glibc

/// Makes sure, before any work is done, that `output` may be written and replaces none of `inputs`, nor what the command
/// has read until now: that would cost someone a checkpoint.
///
/// - Throws: an output that is one of them, by whatever name; one that ``requireWritable(_:)`` refuses.
package func requireOutput(_ output: String, besides inputs: [String]) throws(FileError) {
  guard !inputs.contains(where: { isSameFile($0, output) }), !InputFiles.contains(output) else {
    throw FileError(file: output, problem: "is also an input, expected another name for the output")
  }
  try requireWritable(output)
}

/// - Throws: a file that is write-protected, or is in a folder where none can be made.
func requireWritable(_ path: String) throws(FileError) {
  if let fault = ce3_write_fault(path) { throw FileError(file: path, problem: String(cString: fault)) }
}

/// Whether both paths lead to one file that is there.
package func isSameFile(_ one: String, _ other: String) -> Bool {
  var (first, second) = (stat(), stat())
  guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}
