import Glibc

/// Makes sure that writing `output` replaces none of `inputs`: that would cost someone a checkpoint.
///
/// - Throws: an output that is one of them, by whatever name.
package func requireDistinct(output: String, from inputs: [String]) throws(FileError) {
  var (target, source) = (stat(), stat())
  guard stat(output, &target) == 0 else { return }
  for input in inputs where stat(input, &source) == 0 {
    guard target.st_dev != source.st_dev || target.st_ino != source.st_ino else {
      throw FileError(file: output, problem: "is also an input, expected another name for the output")
    }
  }
}
