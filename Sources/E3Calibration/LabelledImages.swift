import E3DataSets
import E3Format
import E3Host
import E3Models

/// Images of a data set with their classes: what something is fitted on.
struct LabelledImages: Sendable {
  let data: DataSet
  /// Numbers of the images in ``data``.
  let indices: [Int]
  /// Their classes; 0 for images of none.
  let classes: [Int]
  /// Whether the quarters of each image are exchanged.
  private var isRearranged = false

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

  /// All images of `data`, which are of no class of the model.
  init(foreign data: DataSet) {
    self.init(data, Array(0..<data.count), [Int](repeating: 0, count: data.count))
  }

  /// All images of `data`, which are of no class of the model, with the kinds that their labels tell apart; nil without
  /// labels.
  init?(kindsOf data: DataSet) {
    guard let labels = data.labels else { return nil }
    self.init(data, Array(0..<data.count), labels)
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

  /// At most `limit` of the images, evenly taken, with their quarters exchanged: images that are unlike every known one.
  func rearranged(limit: Int) -> LabelledImages {
    let step = (count + limit - 1) / limit
    var result = part(Array(stride(from: 0, to: count, by: step)))
    result.isRearranged = true
    return result
  }

  /// The image at `place`, for a model of `shape`.
  func image(at place: Int, for shape: ModelShape) throws(FileError) -> DataSetImage {
    let image = try data.image(at: indices[place])
    return isRearranged ? image.rearranged(for: shape, seed: UInt64(place)) : image
  }

  private func part(_ places: [Int]) -> LabelledImages {
    LabelledImages(data, places.map { indices[$0] }, places.map { classes[$0] })
  }
}
