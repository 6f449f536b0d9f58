import E3Format
import E3Models

extension MappedModel {
  /// What decides between known and unknown; nil where the file has no statistics.
  var unknownScore: UnknownScore? { file.hasStatistics ? file.calibration.map { UnknownScore($0) } : nil }

  /// The Mahalanobis distances of one image's representations from the training data, by the statistics in the file and
  /// as `e3.h` defines them, in float64: for representations that the runtime did not compute.
  ///
  /// - Parameter representations: `[M][R]`, what the head reads of each member of all networks.
  /// - Returns: nil where the file has no statistics.
  func distances(of representations: [ArraySlice<Float>]) -> (distance: Double, relative: Double)? {
    guard let score = unknownScore else { return nil }
    var (squares, relative) = (0.0, 0.0)
    let members = networks.flatMap { view in (0..<view.shape.memberCount).map { (view, $0) } }
    for ((view, member), representation) in zip(members, representations) {
      let statistics = view.statistics(member: member)
      let width = view.shape.headInputSizePadded
      let length =
        score.hasUnitLength ? representation.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() : 1
      var centred = zip(representation, UnsafeBufferPointer(start: statistics.centre, count: width))
        .map { Double($0) / length - Double($1) }
      centred += [Double](repeating: 0, count: width - centred.count)
      let whitened = statistics.classes.whiten(centred)
      let nearest =
        (0..<view.shape.classCount).map { index -> Double in
          let mean = UnsafeBufferPointer(start: statistics.classMeans + index * width, count: width)
          return zip(whitened, mean).reduce(0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) }
        }.min() ?? 0
      squares += nearest
      relative += nearest - statistics.background.whiten(centred).reduce(0) { $0 + $1 * $1 }
    }
    let count = Double(representations.count)
    return ((squares / count).squareRoot(), relative / count)
  }
}

extension WhiteningView {
  /// The product with a vector of as many values as the padded width.
  fileprivate func whiten(_ vector: [Double]) -> [Double] {
    (0..<vector.count).map { output in
      let weights = panel(output / 16)
      return (0..<Self.inputs(ofPanel: output / 16)).reduce(0) {
        $0 + Double(weights[16 * $1 + output % 16]) * vector[$1]
      }
    }
  }
}
