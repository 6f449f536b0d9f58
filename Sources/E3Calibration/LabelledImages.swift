import E3DataSets
import E3Host
import E3Models

/// Images of a data set with their classes: what something is fitted on.
struct LabelledImages: Sendable {
  let data: DataSet
  /// Numbers of the images in ``data``.
  let indices: [Int]
  /// Their classes.
  let classes: [Int]

  var count: Int { indices.count }

  /// All images of `data`, for `model`.
  ///
  /// - Throws: no labels, or labels that are no classes of the model.
  init(_ data: DataSet, for model: MappedModel) throws(FileError) {
    let classCount = model.file.shape.classCount
    guard let classes = try data.classes(classCount: classCount, modelLabels: model.labels) else {
      throw FileError(file: data.path, problem: "no labels, which calibration needs")
    }
    self.init(data, Array(0..<data.count), classes)
  }

  private init(_ data: DataSet, _ indices: [Int], _ classes: [Int]) {
    (self.data, self.indices, self.classes) = (data, indices, classes)
  }

  /// Every other image of each class, and the rest: two halves that hold the classes alike.
  var halves: (LabelledImages, LabelledImages) {
    var seen: [Int: Int] = [:]
    var (even, odd): ([Int], [Int]) = ([], [])
    for (place, label) in classes.enumerated() {
      if seen[label, default: 0] % 2 == 0 { even.append(place) } else { odd.append(place) }
      seen[label, default: 0] += 1
    }
    return (part(even), part(odd))
  }

  private func part(_ places: [Int]) -> LabelledImages {
    LabelledImages(data, places.map { indices[$0] }, places.map { classes[$0] })
  }
}
