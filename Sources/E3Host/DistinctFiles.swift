import Glibc

/// Makes sure that writing `output` replaces none of `inputs`: that would cost someone a checkpoint.
///
/// - Throws: an output that is one of them, by whatever name.
package func requireDistinct(output: String, from inputs: [String]) throws(FileError) {
  for input in inputs where isSameFile(input, output) {
    throw FileError(file: output, problem: "is also an input, expected another name for the output")
  }
}

/// Whether both paths lead to one file that is there.
package func isSameFile(_ one: String, _ other: String) -> Bool {
  var (first, second) = (stat(), stat())
  guard stat(one, &first) == 0, stat(other, &second) == 0 else { return false }
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}
