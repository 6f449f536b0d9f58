import E3Checkpoint
import E3DataSets
import E3Format
import E3Host
import E3Models

/// What is to be measured.
public struct Evaluation: Sendable {
  /// Model files; several are one deep ensemble, as the networks of one file are.
  public var models: [String]
  /// Path of the labelled images.
  public var dataSet: String
  /// Path of their labels; nil where they are beside the images or in their folders.
  public var labels: String?
  /// What transparent pixels of pictures show.
  public var alpha = PictureAlpha.white
  /// Images that are not what the model was trained for.
  public var outOfDistribution: [String] = []
  /// Whether every corruption is measured, at every severity.
  public var evaluatesCorruptions = false
  /// The float path: a checkpoint for each network of the model file; empty: none.
  public var reference: [CheckpointSource] = []
  /// Scores the probabilities with this temperature as well; nil: only with that of a calibrated file.
  public var temperature: Double?
  /// Whether what stopping early is worth is measured too.
  public var comparesEarly = false
  /// Images that are worked on at the same time.
  public var threads = 1
  /// A file that will be written: it must be none that is read; nil: none.
  public var output: String?
  /// Images that are left out at the start of every data set.
  public var skip = 0
  /// Images that are taken of every data set after those; nil: all.
  public var limit: Int?

  /// Labelled images and no more; the rest is set one by one.
  public init(models: [String], dataSet: String) { (self.models, self.dataSet) = (models, dataSet) }

  /// Measures everything.
  ///
  /// - Parameters:
  ///   - progress: makes a meter for a piece of work that is named, which is told the share that is done.
  ///   - note: is told what of the images the caller may not have meant, line by line.
  /// - Throws: a file that cannot be used, a damaged model; models of other classes; prepared values that the models do not
  ///   take alike; images without labels.
  public func run(
    progress: (String) -> (Double) -> Void = { _ in { _ in } }, note: (String) -> Void = { _ in }
  ) throws(FileError) -> Report {
    let models = try openModels()
    for model in models { try model.mapped.requireWhole(progress: progress("verifying \(fileName(model.path))")) }
    let data = try open(dataSet, labels: labels)
    guard let labels = try data.classes(classCount: models[0].classCount, modelLabels: models[0].labels) else {
      throw FileError(
        file: dataSet, problem: "no labels: give them with --labels, or a folder of pictures for each class")
    }
    if let line = data.numberRemark(modelLabels: models[0].labels) { note(line) }
    if evaluatesCorruptions {
      guard case .picture = try data.image(at: 0) else {
        throw FileError(file: data.path, problem: "corruptions need bytes of pictures, not prepared values")
      }
    }
    let others = try outOfDistribution.map { (path) throws(FileError) in try open(path, labels: nil) }
    if let output { try requireOutput(output, besides: []) }
    try requireOneRecipe(models, [data] + others)
    let shape = models[0].mapped.file.shape
    if let line = valueRemark(on: [data] + others, bounds: shape.valueBounds, model: models[0].path) { note(line) }
    var report = Report(
      models: models, images: data,
      answers: try answers(
        of: models, to: data, keepsChoices: !reference.isEmpty, meter: progress(fileName(data.path))),
      labels: labels, temperature: temperature)
    if !reference.isEmpty {
      let meter = progress("float: \(fileName(data.path))")
      report.setReference(
        try models[0].referenceAnswers(
          reference, to: data, threads: threads, progress: { meter(Double($0) / Double(data.count)) }),
        checkpoints: reference.map(\.checkpoint), temperature: models[0].thresholds?.temperature)
    }
    for other in others {
      let found = try answers(of: models, to: other, meter: progress(fileName(other.path)))
      var floats: Answers?
      if !reference.isEmpty {
        let meter = progress("float: \(fileName(other.path))")
        floats = try models[0].referenceAnswers(
          reference, to: other, threads: threads, keepsChoices: false,
          progress: { meter(Double($0) / Double(other.count)) })
      }
      report.addOutOfDistribution(found, reference: floats, images: other)
    }
    if comparesEarly {
      for images in [data] + others {
        let meter = progress("early: \(fileName(images.path))")
        report.early.append(
          try models[0].earlyAnswers(to: images, threads: threads) { meter(Double($0) / Double(images.count)) })
      }
    }
    if evaluatesCorruptions { try addCorruptions(to: &report, models: models, data: data, progress: progress) }
    for line in pictureRemarks(on: [data] + others) { note(line) }
    return report
  }

  /// Values that are prepared already are right for all models only where these prepare pixels alike.
  private func requireOneRecipe(_ models: [EvaluatedModel], _ sets: [DataSet]) throws(FileError) {
    guard let set = sets.first(where: \.holdsValues) else { return }
    let shapes = models.map(\.mapped.file.shape)
    for (shape, model) in zip(shapes, models) where !shape.preparesPixels(as: shapes[0]) {
      let (own, first) = (shape.valueBounds, shapes[0].valueBounds)
      throw FileError(
        file: set.path,
        problem:
          "floats in one value range, but \(models[0].path) takes \(first.low) to \(first.high) and \(model.path) "
          + "\(own.low) to \(own.high), each with its own mean: give pictures or their bytes, which each model prepares "
          + "itself")
    }
  }

  private func addCorruptions(
    to report: inout Report, models: [EvaluatedModel], data: DataSet, progress: (String) -> (Double) -> Void
  ) throws(FileError) {
    for corruption in Corruption.allCases {
      for severity in 1...Corruption.severities {
        let found = try answers(
          of: models, to: data,
          change: { (image, index) throws(FileError) in
            guard case .picture(let picture) = image else { return image }
            return .picture(try corruption.apply(to: picture, severity: severity, index: index))
          }, meter: progress("\(corruption.title) \(severity)"))
        report.addCorrupted(found, corruption, severity: severity)
      }
    }
  }

  /// The models, which must be of one kind of class.
  private func openModels() throws(FileError) -> [EvaluatedModel] {
    if let folder = models.first(where: isDirectory) {
      throw FileError(file: folder, problem: "a folder, not a model: models come first, the images last")
    }
    let opened = try models.map { (path) throws(FileError) in try EvaluatedModel(path: path) }
    guard let first = opened.first else { throw FileError(file: dataSet, problem: "no model file was given") }
    for other in opened.dropFirst() {
      guard other.classCount == first.classCount else {
        throw FileError(
          file: other.path,
          problem: "\(counted(other.classCount, "class", "classes")), but \(first.path) has \(first.classCount)")
      }
      if let found = reordering(other.labels, first.labels) {
        let index = found.index
        throw FileError(
          file: other.path,
          problem:
            "class \(index) is \"\(other.labels[index])\", but \"\(first.labels[index])\" in \(first.path), which "
            + "has \(found.text): the answers of such models cannot be averaged; give one whose classes are in that "
            + "order")
      }
      guard other.labels.elementsEqual(first.labels, by: areSame) || other.labels.isEmpty || first.labels.isEmpty else {
        throw FileError(file: other.path, problem: "other labels of the classes than \(first.path)")
      }
    }
    guard reference.isEmpty || opened.count == 1 else {
      throw FileError(
        file: opened[1].path, problem: "a reference is compared with one model file, not with several")
    }
    guard !comparesEarly || opened.count == 1 else {
      throw FileError(
        file: opened[1].path, problem: "--early is for the networks of one model file, not for several files",
        isMisuse: true)
    }
    return opened
  }

  private func open(_ path: String, labels: String?) throws(FileError) -> DataSet {
    let whole = try DataSet(path: path, labels: labels ?? DataSet.labels(beside: path), alpha: alpha)
    guard let part = whole.part(skip: skip, limit: limit) else {
      throw FileError(file: path, problem: "\(counted(whole.count, "image")), so none is left after the first \(skip)")
    }
    return part
  }

  private func answers(
    of models: [EvaluatedModel], to data: DataSet, keepsChoices: Bool = false,
    change: (@Sendable (DataSetImage, Int) throws(FileError) -> DataSetImage)? = nil, meter: (Double) -> Void
  ) throws(FileError) -> Answers {
    let total = Double(models.count * data.count)
    var answers: [Answers] = []
    for (place, model) in models.enumerated() {
      answers.append(
        try model.answers(
          to: data, threads: threads, keepsChoices: keepsChoices, change: change,
          progress: { meter(Double(place * data.count + $0) / total) }))
    }
    return .ensemble(answers)
  }
}
