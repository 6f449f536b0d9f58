import E3Format
import E3Host

/// Images for each value of a representation below which the covariance of the class statistics is not well known.
let fewStatistics = 5

/// The statistics section: for each member the centre, two whitenings and the classes' means. FORMAT.md, section 5.2.
struct ClassStatistics {
  /// Floats of the section.
  private(set) var values: [Float] = []

  /// Fits Gaussians to the representations of `observations`.
  ///
  /// - Parameters:
  ///   - networks: The networks whose members they are of.
  ///   - labels: Texts of the classes, in errors; empty when the model has none.
  ///   - path: The data set, in errors.
  /// - Throws: a class with fewer than two, representations that do not vary.
  init(_ observations: Observations, networks: [ModelShape], labels: [String], path: String) throws(FileError) {
    let classCount = networks[0].classCount
    func fault(_ problem: String) -> FileError { FileError(file: path, problem: problem) }
    var counts = [Int](repeating: 0, count: classCount)
    for label in observations.classes { counts[label] += 1 }
    let few = counts.indices.filter { counts[$0] < 2 }
    if let first = few.first {
      let others = few.count > 1 ? ", and \(few.count - 1) more \(few.count > 2 ? "have" : "has") fewer than 2" : ""
      throw fault(
        "class \(className(first, labels)) has \(counted(counts[first], "image")) for the class statistics, "
          + "expected 2 or more\(others): add pictures of every class; --no-distance calls nothing unknown instead")
    }
    let size = networks.map(\.headInputSize).max() ?? 0
    let members = networks.flatMap { [ModelShape](repeating: $0, count: $0.memberCount) }
    for (member, shape) in members.enumerated() {
      let place = (first: member * size, stride: members.count * size)
      guard let part = Self.fit(observations, place, shape: shape) else {
        throw fault("the representations of member \(member) do not vary")
      }
      values += part
    }
    guard values.allSatisfy(\.isFinite) else { throw fault("the class statistics do not fit floats") }
  }

  /// - Parameter place: Of the member's representation in those of the first image, and floats to that of the next image.
  private static func fit(
    _ observations: Observations, _ place: (first: Int, stride: Int), shape: ModelShape
  ) -> [Float]? {
    let (size, padded, classCount) = (shape.headInputSize, shape.headInputSizePadded, shape.classCount)
    return observations.representations.withUnsafeBufferPointer { all -> [Float]? in
      guard let base = all.baseAddress else { return nil }
      nonisolated(unsafe) let start = base + place.first
      let stride = place.stride
      let row: @Sendable (Int) -> UnsafePointer<Float> = { start + $0 * stride }
      let classes = observations.classes
      let one = [Int](repeating: 0, count: classes.count)
      let means = Gaussian.means(row, group: classes, groups: classCount, size: size)
      let centre = Gaussian.means(row, group: one, groups: 1, size: size)
      // Enough images tell every direction; with fewer the covariance is drawn towards a round one.
      let shrinks = classes.count < fewStatistics * size
      let within = Gaussian.covariance(row, group: classes, means: means, size: size, shrinks: shrinks)
      let overall = Gaussian.covariance(row, group: one, means: centre, size: size, shrinks: shrinks)
      guard let whitening = Gaussian.whitening(within, size: size),
        let background = Gaussian.whitening(overall, size: size)
      else { return nil }

      var values = centre.map { Float($0) } + [Float](repeating: 0, count: padded - size)
      values += panels(whitening, size: size) + panels(background, size: size)
      for index in 0..<classCount {
        let offset = (0..<size).map { means[index * size + $0] - centre[$0] }
        values += (0..<padded).map { row in
          row < size ? Float((0...row).reduce(0.0) { $0 + whitening[row * size + $1] * offset[$1] }) : 0
        }
      }
      return values
    }
  }

  /// A lower-triangular matrix as panels of 16 rows, panel p with 16(p + 1) columns.
  private static func panels(_ matrix: [Double], size: Int) -> [Float] {
    var values: [Float] = []
    for panel in 0..<ModelShape.padded(size) / 16 {
      for column in 0..<WhiteningView.inputs(ofPanel: panel) {
        for row in 16 * panel..<16 * (panel + 1) {
          values.append(column <= row && row < size ? Float(matrix[row * size + column]) : 0)
        }
      }
    }
    return values
  }
}
