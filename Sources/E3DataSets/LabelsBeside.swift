import Glibc

extension DataSet {
  /// The label file that belongs to the IDX images at `path` by the names of MNIST and its kin, where there is one:
  /// `t10k-labels-idx1-ubyte.gz` beside `t10k-images-idx3-ubyte.gz`.
  public static func labels(beside path: String) -> String? {
    let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
    let name = path.dropFirst(folder.count)
    guard name.contains("images-idx3") else { return nil }
    let labels = "\(folder)\(name.replacing("images-idx3", with: "labels-idx1"))"
    return access(labels, R_OK) == 0 ? labels : nil
  }
}
