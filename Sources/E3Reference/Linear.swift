import COpenBLAS
import E3Checkpoint
import E3Host
import Glibc
import Synchronization

/// A linear layer: `y = x · kernel + bias`.
struct Linear {
  let inputs, outputs: Int
  /// `[inputs][outputs]`
  let kernel: [Float]
  /// `[outputs]`; nil for none.
  let bias: [Float]?

  /// Reads a layer whose kernel may have more axes: its first `inputs` elements per output are flattened.
  init(_ names: LinearNames, inputs: Int, outputs: Int, from model: any ModelParameters) throws(FileError) {
    (self.inputs, self.outputs) = (inputs, outputs)
    kernel = try model.values(of: names.kernel)
    bias = try model.values(of: names.bias)
    precondition(kernel.count == inputs * outputs && bias?.count == outputs)
  }

  /// Reads expert `index` of tensors with a leading axis E.
  init(_ names: LinearNames, expert index: Int, inputs: Int, outputs: Int, from model: any ModelParameters)
    throws(FileError)
  {
    (self.inputs, self.outputs) = (inputs, outputs)
    kernel = try model.values(of: names.kernel, at: index)
    bias = try model.values(of: names.bias, at: index)
    precondition(kernel.count == inputs * outputs && bias?.count == outputs)
  }

  /// A layer without bias, as the router is.
  init(kernel: [Float], inputs: Int, outputs: Int) {
    precondition(kernel.count == inputs * outputs)
    (self.inputs, self.outputs, self.kernel, bias) = (inputs, outputs, kernel, nil)
  }

  /// - Parameter x: `[rows][inputs]`.
  /// - Returns: `[rows][outputs]`.
  func callAsFunction(_ x: Matrix) -> Matrix {
    precondition(x.columns == inputs)
    var y = Matrix(rows: x.rows, columns: outputs)
    guard x.rows > 0 else { return y }
    if let bias { for row in 0..<x.rows { y.add(bias[...], to: row) } }
    let blas = BLAS.shared
    y.values.withUnsafeMutableBufferPointer { y in
      blas.multiply(
        rows: x.rows, columns: outputs, depth: inputs, x.values, leading: inputs, kernel, leading: outputs,
        transposed: false, scale: 1, accumulate: 1, y.baseAddress!, leading: outputs)
    }
    return y
  }
}

/// Sets how many threads one matrix product may use: 1 where several images are worked on at the same time, as small
/// products gain nothing from threads that wait for each other. Only the first call in a process, before any product,
/// has an effect: OpenBLAS corrupts memory when the number changes while it works.
public func setMatrixThreads(_ count: Int) {
  matrixThreads.withLock { $0 = $0 ?? max(1, count) }
  _ = BLAS.shared
}

private let matrixThreads = Mutex<Int?>(nil)

/// OpenBLAS, with as many threads as the process has cores unless ``setMatrixThreads(_:)`` said otherwise.
struct BLAS {
  static let shared = BLAS()

  private init() {
    let cores = max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 32))
    openblas_set_num_threads(Int32(clamping: matrixThreads.withLock { $0 } ?? cores))
  }

  /// `y = scale * a · b + accumulate * y`, or with `b` transposed; all row-major with leading dimensions.
  func multiply(
    rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, leading lda: Int, _ b: UnsafePointer<Float>,
    leading ldb: Int, transposed: Bool, scale: Float, accumulate: Float, _ y: UnsafeMutablePointer<Float>,
    leading ldy: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, blasint(rows), blasint(columns),
      blasint(depth), scale, a, blasint(lda), b, blasint(ldb), accumulate, y, blasint(ldy))
  }
}
