import E3Checkpoint
import E3Format
import E3Host
import E3Metrics
import E3Models
import E3Reference
import Glibc

/// How far the int8 model is from the float one, over the images of a tensor.
public struct Comparison: Sendable {
  /// Images compared.
  public let images: Int
  /// Largest and mean difference of a member's logit.
  public let maxLogitDifference, meanLogitDifference: Float
  /// Total variation between the mean probabilities, half the sum of the absolute differences: mean and largest.
  public let meanTotalVariation, maxTotalVariation: Float
  /// Mean absolute difference of the mutual information in nats.
  public let meanMutualInformationDifference: Float
  /// Images whose most probable classes differ.
  public let disagreeing: [Int]
  /// Share of the router choices, over all layers, members and tokens, that int8 made otherwise; nil for a dense model.
  /// Later layers inherit what earlier flips led to.
  public internal(set) var flippedChoices: Double?
  /// Decibels of the members' logits, less their mean, above the difference; infinite without one.
  public let logitDecibels: Double
  /// Where the difference arises, network by network; empty where nobody measured it.
  public internal(set) var sources: [ErrorSources] = []

  /// Share of the images whose most probable classes are equal.
  public var topAgreement: Float { 1 - Float(disagreeing.count) / Float(images) }

  /// - Precondition: as many answers on both sides, at least one.
  init(reference: [EnsembleAnswer], int8: [EnsembleAnswer]) {
    precondition(reference.count == int8.count && !reference.isEmpty)
    var logitDifferences: (max: Float, sum: Double, count: Int) = (0, 0, 0)
    var variations: [Float] = []
    var mutualInformation: Double = 0
    var (signal, noise) = (0.0, 0.0)
    for (expected, found) in zip(reference, int8) {
      for (a, b) in zip(expected.memberLogits, found.memberLogits) {
        let mean = a.reduce(0) { $0 + Double($1) } / Double(a.count)
        signal += a.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        noise += zip(a, b).reduce(0) { $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1)) }
      }
      for (a, b) in zip(expected.memberLogits.joined(), found.memberLogits.joined()) {
        logitDifferences.max = max(logitDifferences.max, abs(a - b))
        logitDifferences.sum += Double(abs(a - b))
        logitDifferences.count += 1
      }
      variations.append(zip(expected.probabilities, found.probabilities).reduce(0) { $0 + abs($1.0 - $1.1) } / 2)
      mutualInformation += Double(abs(expected.mutualInformation - found.mutualInformation))
    }
    images = reference.count
    logitDecibels = noise > 0 ? 10 * log10(signal / noise) : .infinity
    maxLogitDifference = logitDifferences.max
    meanLogitDifference = Float(logitDifferences.sum / Double(logitDifferences.count))
    meanTotalVariation = variations.reduce(0, +) / Float(images)
    maxTotalVariation = variations.max() ?? 0
    meanMutualInformationDifference = Float(mutualInformation / Double(images))
    disagreeing = reference.indices.filter { reference[$0].topClass != int8[$0].topClass }
  }
}

/// Runs the float reference on checkpoints and the int8 runtime on the file packed from them, and compares the answers.
///
/// Image size, members and capacity are those of the model file.
///
/// - Parameters:
///   - checkpoints: One for each network of the file.
///   - tensor: A `.npy` file of prepared images, `[N, height, width, channels]`.
///   - progress: Is told the share of the work that is done, 0 to 1.
/// - Throws: a file that cannot be used; a model file of other shapes than the checkpoints; values that are no pixels of
///   the model's range.
public func compare(
  _ checkpoints: [CheckpointSource], model path: String, tensor: String,
  progress: (Double) -> Void = { _ in }
) throws(FileError) -> Comparison {
  let packed = try MappedModel(path: path)
  let shapes = packed.networks.map(\.shape)
  let references = try referenceModels(of: packed, checkpoints)
  let images = try ImageTensor(path: tensor, for: references[0].config)
  for image in 0..<images.count {
    try requirePixels(
      images[image], within: packed.file.shape.valueBounds, of: path, name: "\(tensor): image \(image)")
  }
  var session = try ModelSession(packed, recordsRouting: true)
  var routing = RoutingStatistics(shapes, keepsChoices: true)
  var found: [EnsembleAnswer] = []
  for image in 0..<images.count {
    found.append(EnsembleAnswer(memberLogits: try session.memberLogits(Array(images[image]))))
    for layer in 0..<(routing?.layers.count ?? 0) { routing?.append(try session.routing(layer: layer), layer: layer) }
    progress(Double(image + 1) / Double(images.count) / 3)
  }
  var floats = RoutingStatistics(shapes, keepsChoices: true)
  // `[images][M]`, network after network.
  var logits = [[[Float]]](repeating: [], count: images.count)
  for (network, reference) in references.enumerated() {
    var collectors: [RoutingCollector] = []
    let expected = try reference.answers(to: images) { count in
      collectors.append(
        RoutingCollector(
          shape: shapes[network], images: count, network: network,
          statistics: RoutingStatistics(shapes, keepsChoices: true)))
      return collectors.last
    }
    for (image, answer) in expected.enumerated() { logits[image] += answer.memberLogits }
    for collector in collectors { if let more = collector.statistics { floats?.append(contentsOf: more) } }
    progress((1 + Double(network + 1) / Double(references.count)) / 3)
  }
  var comparison = Comparison(reference: logits.map { EnsembleAnswer(memberLogits: $0) }, int8: found)
  if let routing, let floats { comparison.flippedChoices = routing.flippedShare(against: floats) }
  let count = references.count
  for (network, reference) in references.enumerated() {
    let sources = try ErrorSources(reference.model, packed, network: network, images) {
      progress((2 + (Double(network) + $0) / Double(count)) / 3)
    }
    comparison.sources.append(sources)
  }
  return comparison
}

/// Compares a file of one network: ``compare(_:model:tensor:progress:)``.
public func compare(
  checkpoint: String, config: String?, model path: String, tensor: String,
  progress: (Double) -> Void = { _ in }
) throws(FileError) -> Comparison {
  try compare(
    [CheckpointSource(checkpoint: checkpoint, config: config)], model: path, tensor: tensor, progress: progress)
}

extension ModelShape {
  /// The options that give a checkpoint this shape.
  package var modelOptions: ModelOptions {
    ModelOptions(
      imageSize: (height: imageHeight, width: imageWidth), ensembleSize: memberCount > 1 ? memberCount : nil,
      capacity: capacityMode == .none ? .none : .reference)
  }
}
