import E3Checkpoint
import E3DataSets
import E3Format
import E3Host
import E3Models
import E3Reference

/// A model file whose answers are collected.
public struct EvaluatedModel: Sendable {
  let mapped: MappedModel
  /// Whether the file carries a calibration.
  public var isCalibrated: Bool { mapped.file.calibration != nil }
  /// Of one image: the most that any routing takes.
  public var multiplyAccumulates: Int { Int(clamping: mapped.multiplyAccumulates) }
  /// Texts of the classes; empty where the file has none.
  public let labels: [String]

  /// M, over all networks.
  var memberCount: Int { mapped.file.memberCount }
  private var shapes: [ModelShape] { mapped.networks.map(\.shape) }
  /// Path as it was given.
  public var path: String { mapped.path }
  /// Size of the file.
  public var fileBytes: Int { mapped.bytes.count }
  /// Whether MLPs or experts have 4-bit weights.
  var hasInt4Weights: Bool { mapped.networks.contains { $0.mostInt4Inputs > 0 } }
  /// C
  public var classCount: Int { mapped.file.shape.classCount }

  /// Opens and validates the file at `path`.
  public init(path: String) throws(FileError) {
    mapped = try MappedModel(path: path)
    labels = mapped.labels
  }

  /// The int8 answers to all images of `data`, one session per thread.
  ///
  /// - Parameters:
  ///   - change: is applied to every image before the model sees it, with the image's number.
  ///   - keepsChoices: whether every routing decision is kept, to compare it with the float path's.
  ///   - progress: is told how many images are done.
  public func answers(
    to data: DataSet, threads: Int, keepsChoices: Bool = false,
    change: (@Sendable (DataSetImage, Int) throws(FileError) -> DataSetImage)? = nil,
    progress: (Int) -> Void = { _ in }
  ) throws(FileError) -> Answers {
    let statistics = RoutingStatistics(shapes, keepsChoices: keepsChoices)
    let empty = Answers(
      classCount: classCount, memberCount: memberCount, isCalibrated: isCalibrated, routing: statistics)
    let mapped = mapped
    let parts = try parallelMap(
      count: data.count, chunk: 64, threads: threads, progress: progress,
      makeWorker: { () throws(FileError) in
        try ModelSession(mapped, recordsRouting: statistics != nil)
      },
      body: { (session: inout ModelSession, range: Range<Int>) throws(FileError) in
        var part = empty
        for index in range {
          var image = try data.image(at: index)
          if let change { image = try change(image, index) }
          part.append(try session.run(image, name: data.name(ofImage: index)))
          for layer in 0..<(part.routing?.layers.count ?? 0) {
            part.routing?.append(try session.routing(layer: layer), layer: layer)
          }
        }
        return part
      })
    return parts.reduce(into: empty) { $0.append(contentsOf: $1) }
  }

  /// The answers of the checkpoints' float32 forward passes to what this model's networks see of the images of `data`.
  ///
  /// - Parameter checkpoints: one for each network.
  /// - Throws: a checkpoint that is not this model's; weights that cannot be used.
  public func referenceAnswers(
    _ checkpoints: [CheckpointSource], to data: DataSet, threads: Int, keepsChoices: Bool = true,
    progress: (Int) -> Void = { _ in }
  ) throws(FileError) -> Answers {
    let references = try referenceModels(of: mapped, checkpoints)
    let shapes = shapes
    let empty = Answers(
      classCount: classCount, memberCount: memberCount, isCalibrated: false,
      routing: RoutingStatistics(shapes, keepsChoices: keepsChoices))
    let mapped = mapped
    let parts = try parallelMap(
      count: data.count, chunk: 32, threads: threads, progress: progress,
      makeWorker: { () throws(FileError) in try ModelSession(mapped, recordsRouting: false) },
      body: { (session: inout ModelSession, range: Range<Int>) throws(FileError) in
        var values: [Float] = []
        for index in range {
          values += try session.prepared(data.image(at: index), name: data.name(ofImage: index))
        }
        var part = empty
        // `[images][M]`, network after network.
        var logits = [[[Float]]](repeating: [], count: range.count)
        var representations = [[ArraySlice<Float>]](repeating: [], count: range.count)
        for (network, reference) in references.enumerated() {
          let shape = shapes[network]
          let collector = RoutingCollector(
            shape: shape, images: range.count, network: network, statistics: part.routing)
          let found = try reference.logits(values[...], count: range.count, observer: collector)
          guard found.values.allSatisfy(\.isFinite) else {
            throw FileError(
              file: checkpoints[network].checkpoint, problem: "logits are not finite: the weights are unusable")
          }
          part.routing = collector.statistics
          for row in 0..<found.rows {
            logits[row / shape.memberCount].append(Array(found[row]))
            representations[row / shape.memberCount].append(collector.representations[row])
          }
        }
        for (logits, representations) in zip(logits, representations) {
          part.append(
            members: EnsembleAnswer(memberLogits: logits).memberProbabilities.flatMap { $0 }[...],
            distances: mapped.distances(of: representations), score: mapped.unknownScore)
        }
        return part
      })
    return parts.reduce(into: empty) { $0.append(contentsOf: $1) }
  }
}
