import E3
import E3DataSets
import E3Format
import E3Host
import E3Metrics
import E3Models

/// What the int8 runtime gave for some images.
struct Observations: Sendable {
  /// `[N]`
  var classes: [Int] = []
  /// `[N][C]` mean of the members' probabilities, the runtime's bits before a temperature.
  var probabilities: [Float] = []
  /// `[N][M][R]` what the head reads; empty unless asked for. R is the largest of the networks', and zeros follow those of
  /// the others.
  var representations: [Float] = []
  /// `[N]` what the file says of the distance, and what decides; NaN without statistics.
  var distances: [Float] = []
  var relativeDistances: [Float] = []
  var unknownScores: [Float] = []
  /// `[N]` what the file says of the answer.
  private(set) var verdicts: [Verdict] = []
  /// `[N]` of the members' mean, and between them, in nats.
  var entropies: [Float] = []
  var mutualInformation: [Float] = []
  /// `[MoE blocks][E]`, network by network: images with a token, at least, that chose the expert; empty unless asked for.
  var expertUses: [UInt32] = []
  /// `[N]` FORMAT.md, "data hash".
  private var hashes: [UInt64] = []
  /// `[N]` of what the network gets of the image, to a byte: pictures and prepared values of one image have the same.
  private var contents: [UInt64] = []

  /// What an answer comes to.
  struct Verdict: Sendable {
    let topClass: Int
    /// Of the top class, and of the true one: tempered.
    let probability, trueProbability: Float
    let decision: Decision
    /// Whether the true class is in the prediction set.
    let setHoldsTruth: Bool
    /// Those that answered.
    let networks: Int
  }

  /// N
  var count: Int { classes.count }
  var indices: Range<Int> { classes.indices }

  /// Hash of all images and their classes, in order.
  var hash: UInt64 { hashes.withUnsafeBytes { XXH64.hash($0) } }

  /// How many of these images, with the same class, are among `others` too.
  func countShared(_ others: Observations) -> Int {
    func keys(_ images: Observations) -> [[UInt64]] { zip(images.contents, images.classes).map { [$0, UInt64($1)] } }
    let known = Set(keys(others))
    return keys(self).count { known.contains($0) }
  }

  /// How many of the first `count` of these images, of whatever class, are among `others` too.
  func countSame(first count: Int, as others: [Observations]) -> Int {
    let known = Set(others.flatMap(\.contents))
    return contents.prefix(count).count { known.contains($0) }
  }

  /// Runs `model` on `images`, a session on each thread.
  ///
  /// - Parameter progress: Is told how many images are done.
  init(
    of images: LabelledImages, model: MappedModel, keepsRepresentations: Bool = false, countsUses: Bool = false,
    stopsEarly: Bool = false, threads: Int, progress: (Int) -> Void
  ) throws(FileError) {
    let parts = try parallelMap(
      count: images.count, chunk: 16, threads: threads, progress: progress,
      makeWorker: { () throws(FileError) in
        try ModelSession(model, recordsRouting: countsUses, stopsEarly: stopsEarly)
      },
      body: { (session: inout ModelSession, range: Range<Int>) throws(FileError) in
        var part = Observations()
        for place in range {
          let index = images.indices[place]
          let image = try images.image(at: place, for: model.file.shape)
          let name = images.data.name(ofImage: index)
          part.contents.append(model.file.shape.contentHash(of: try session.prepared(image, name: name)))
          let answer = try session.run(image, name: name)
          part.append(
            answer, image, label: images.classes[place], keepsRepresentations: keepsRepresentations)
          if countsUses { try part.countUses(session) }
        }
        return part
      })
    for part in parts { append(part) }
  }

  /// None.
  init() {}

  /// Divides each representation by its length. Zeros stay.
  ///
  /// - Parameter width: Values of a representation.
  mutating func divideByLength(width: Int) {
    for start in stride(from: 0, to: representations.count, by: width) {
      let row = start..<start + width
      let length = representations[row].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      guard length > 0 else { continue }
      for place in row { representations[place] = Float(Double(representations[place]) / length) }
    }
  }

  /// Adds the images of `part`, which come after these.
  mutating func append(_ part: Observations) {
    classes += part.classes
    probabilities += part.probabilities
    representations += part.representations
    distances += part.distances
    relativeDistances += part.relativeDistances
    unknownScores += part.unknownScores
    verdicts += part.verdicts
    entropies += part.entropies
    mutualInformation += part.mutualInformation
    hashes += part.hashes
    contents += part.contents
    if expertUses.isEmpty { expertUses = part.expertUses.map { _ in 0 } }
    for (index, count) in part.expertUses.enumerated() { expertUses[index] += count }
  }

  private mutating func append(
    _ answer: borrowing Answer, _ image: DataSetImage, label: Int, keepsRepresentations: Bool
  ) {
    classes.append(label)
    // The bits that a temperature will find in the runtime.
    probabilities += memberMean(Array(copying: answer.memberProbabilities)[...], classCount: answer.classCount)
    if keepsRepresentations {
      for member in 0..<answer.memberCount {
        representations += Array(copying: answer.representation(ofMember: member))
      }
    }
    distances.append(answer.distance ?? .nan)
    relativeDistances.append(answer.relativeDistance ?? .nan)
    unknownScores.append(answer.unknownScore ?? .nan)
    verdicts.append(
      Verdict(
        topClass: answer.topClass, probability: answer.topProbability, trueProbability: answer.probabilities[label],
        decision: answer.decision, setHoldsTruth: Array(copying: answer.predictionSet).contains(UInt32(label)),
        networks: answer.networkCount))
    entropies.append(answer.totalEntropy)
    mutualInformation.append(answer.mutualInformation)
    hashes.append(Self.hash(image, label: label))
  }

  /// Counts the experts that the last image of `session` chose.
  private mutating func countUses(_ session: borrowing ModelSession) throws(FileError) {
    let shapes = session.model.networks.map(\.shape)
    if expertUses.isEmpty {
      expertUses = [UInt32](repeating: 0, count: shapes.reduce(0) { $0 + $1.moeBlockCount * $1.expertCount })
    }
    var (layer, first) = (0, 0)
    for shape in shapes {
      for _ in 0..<shape.moeBlockCount {
        let chosen = try session.routing(layer: layer).experts.withUnsafeBufferPointer { Set($0) }
        for expert in chosen { expertUses[first + Int(expert)] += 1 }
        (layer, first) = (layer + 1, first + shape.expertCount)
      }
    }
  }

  private static func hash(_ image: DataSetImage, label: Int) -> UInt64 {
    var hash = XXH64()
    func add(_ number: Int) {
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: number).littleEndian) { hash.update($0) }
    }
    add(label)
    switch image {
    case .picture(let picture):
      add(picture.height)
      add(picture.width)
      add(picture.channels)
      picture.pixels.withUnsafeBytes { hash.update($0) }
    case .tensor(let values):
      for _ in 0..<3 { add(0) }
      values.withUnsafeBytes { hash.update($0) }
    }
    return hash.digest
  }
}
