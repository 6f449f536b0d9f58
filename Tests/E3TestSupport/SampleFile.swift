@_exported import CE3
import E3Format

/// Builds small model files byte by byte, from FORMAT.md rather than from the converter.
package struct SampleFile {
  package var config: e3_file_config
  package var labels: [String]?
  package var provenance: String?
  package var golden = false
  /// Section 67; its model hash is filled in.
  package var calibration: e3_file_calibration?
  /// Section 68, random numbers in the right places.
  package var hasStatistics = false
  /// Section 69; nil: none.
  package var setThresholds: [Float]?
  /// Section 128; nil: none.
  package var expertUses: [UInt32]?
  /// Section 129, one for each network but the last; the calibration's checksum is filled in. Nil: none.
  package var earlyStops: [e3_file_early_stop]?
  package var seed: UInt64 = 7
  /// Weights of MLPs and experts.
  package var weights = Weights.int8

  package enum Weights {
    case int8, int4
    /// The weights of `int4`, as int8 panels.
    case expanded
  }
  /// The networks after the first.
  package var others: [Network] = []
  /// Whether equal extents of networks are stored once.
  package var shares = false

  package init(
    config: e3_file_config, labels: [String]? = nil, provenance: String? = nil, golden: Bool = false, seed: UInt64 = 7
  ) {
    (self.config, self.labels, self.provenance, self.golden, self.seed) = (config, labels, provenance, golden, seed)
  }

  /// Two blocks, the second with four experts of two members; odd sizes everywhere.
  package static var config: e3_file_config {
    var config = e3_file_config()
    (config.image_height, config.image_width, config.channels) = (7, 9, 3)
    (config.patch_height, config.patch_width) = (3, 4)
    (config.hidden_size, config.layer_count, config.head_count, config.mlp_size) = (6, 2, 2, 5)
    config.class_count = 3
    config.representation_size = 4
    (config.member_count, config.expert_count, config.selected_experts) = (2, 4, 1)
    config.moe_layers.0 = 0b10
    config.expert_mlp_size = 7
    (config.norm_epsilon, config.class_token) = (1e-6, 1)
    (config.value_low, config.value_high) = (-1, 1)
    return config
  }

  package static var full: SampleFile {
    SampleFile(config: config, labels: ["cat", "Čeština", ""], provenance: "{\"tool\":\"test\"}", golden: true)
  }

  /// The same with 4-bit weights.
  package static var int4: SampleFile {
    var file = full
    file.weights = .int4
    return file
  }

  /// The same, calibrated, with statistics.
  package static var calibrated: SampleFile {
    var file = full
    file.calibration = thresholds(hasStatistics: true)
    file.hasStatistics = true
    return file
  }

  /// The same, decided by a score of minor version 1: half relative, representations at unit length, with an entropy.
  package static var weighted: SampleFile {
    var file = calibrated
    file.calibration?.distance = UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue)
    file.calibration?.rows = UInt32(E3_FILE_ROWS_UNIT_LENGTH.rawValue)
    file.calibration?.background_weight = 0.5
    file.calibration?.uncertainty = UInt32(E3_FILE_UNCERTAINTY_ENTROPY.rawValue)
    file.calibration?.uncertainty_weight = 1.75
    file.calibration?.foreign = UInt32(E3_FILE_FOREIGN_GIVEN.rawValue)
    file.calibration?.foreign_count = 50
    file.calibration?.foreign_auroc = 0.9
    file.calibration?.relative_auroc = 0.8
    return file
  }

  /// The same with adaptive sets that have a penalty, each class its own threshold: minor version 2.
  package static var adaptive: SampleFile {
    var file = calibrated
    file.calibration?.set_score = UInt32(E3_FILE_SCORE_ADAPTIVE.rawValue)
    file.calibration?.set_threshold = 1.5
    file.calibration?.set_free_ranks = 1
    file.calibration?.set_penalty = 102
    file.setThresholds = [0.75, 1.25, 0]
    return file
  }

  /// A calibration in range.
  package static func thresholds(hasStatistics: Bool) -> e3_file_calibration {
    var calibration = e3_file_calibration()
    calibration.temperature = 1.25
    (calibration.accept_threshold, calibration.set_threshold) = (0.4, 0.2)
    (calibration.accept_coverage, calibration.set_coverage) = (0.9, 0.95)
    calibration.set_score = UInt32(E3_FILE_SCORE_LEAST_AMBIGUOUS.rawValue)
    (calibration.image_count, calibration.image_hash) = (100, 1)
    if hasStatistics {
      (calibration.unknown_threshold, calibration.known_coverage) = (3, 0.95)
      (calibration.statistics_count, calibration.statistics_hash) = (200, 2)
      (calibration.distance_mean, calibration.distance_deviation) = (-1.5, 2.5)
      calibration.distance = UInt32(E3_FILE_DISTANCE_RELATIVE_MAHALANOBIS.rawValue)
    }
    return calibration
  }

  /// The same with map pooling, query and key norms, capacity and no representation layer.
  package static var map: SampleFile {
    var config = config
    config.classifier = UInt32(E3_FILE_CLASSIFIER_MAP.rawValue)
    config.class_token = 0
    config.query_key_norm = 1
    config.representation_size = 0
    config.capacity_mode = UInt32(E3_FILE_CAPACITY_PRIORITY.rawValue)
    config.capacity = 4
    return SampleFile(config: config)
  }

  /// A deep ensemble: the model of ``full``, a dense one and V-MoE with other sizes.
  package static var ensemble: SampleFile {
    var file = full
    var dense = config
    (dense.member_count, dense.expert_count, dense.selected_experts) = (1, 0, 0)
    (dense.moe_layers.0, dense.expert_mlp_size, dense.representation_size) = (0, 0, 0)
    (dense.patch_height, dense.patch_width) = (2, 3)
    var sparse = config
    (sparse.member_count, sparse.hidden_size, sparse.representation_size) = (1, 18, 21)
    sparse.moe_layers.0 = 0b01
    file.others = [Network(dense, seed: 8), Network(sparse, seed: 9)]
    return file
  }

  /// The model of ``full`` twice, and a deeper one that begins as it does; what they have in common is stored once.
  package static var twins: SampleFile {
    var file = full
    var deeper = config
    deeper.layer_count = 3
    file.others = [Network(config, seed: file.seed), Network(deeper, seed: file.seed)]
    file.shares = true
    return file
  }

  /// One network of a file.
  package struct Network {
    package var config: e3_file_config
    package var seed: UInt64

    package init(_ config: e3_file_config, seed: UInt64) { (self.config, self.seed) = (config, seed) }
  }

  /// The networks: the first, and ``others``.
  package var networks: [Network] { [Network(config, seed: seed)] + others }

  /// An extent on its way into the file.
  private struct Piece {
    var extent: e3_file_extent
    let content: [UInt8]
    let alignment: UInt64
  }

  /// The bytes of a valid file.
  package var bytes: [UInt8] {
    get throws {
      var (floats, linears): ([Piece], [Piece]) = ([], [])
      var statistics: [UInt8] = []
      for network in networks {
        let plan = ExtentPlan(try ModelShape(validating: network.config))
        var random = SplitMix(state: network.seed)
        for index in 0..<plan.count {
          let entry = plan.entry(at: index, encoding: weights == .int4 ? .int4 : .int8)
          let extent = e3_file_extent(
            kind: UInt32(entry.kind.rawValue), block: UInt32(entry.block), index: UInt32(entry.expert),
            encoding: UInt32(entry.encoding.rawValue), offset: 0, length: entry.length, checksum: 0)
          let piece = Piece(
            extent: extent, content: content(entry, plan.shape, &random), alignment: entry.alignment)
          if index < plan.floatCount { floats.append(piece) } else { linears.append(piece) }
        }
        if hasStatistics { statistics += Self.statistics(plan.shape, &random) }
      }
      var sections = optionalSections(try ModelShape(validating: config))
      if var calibration {
        calibration.model_hash = Self.modelHash(networks.map(\.config), (floats + linears).map(\.content))
        sections.append((.calibration, Self.raw(calibration)))
      }
      if hasStatistics { sections.append((.statistics, statistics)) }
      if let setThresholds { sections.append((.setThresholds, setThresholds.flatMap { Self.raw($0) })) }
      if let expertUses { sections.append((.expertUses, expertUses.flatMap { Self.raw($0) })) }
      if let earlyStops {
        let fitted = sections.first { $0.0 == .calibration }?.1 ?? []
        let head = e3_file_early(
          calibration: fitted.withUnsafeBytes { XXH64.hash($0) }, share: 0.005, reserved: 0)
        sections.append((.earlyStops, Self.raw(head) + earlyStops.flatMap { Self.raw($0) }))
      }
      let optional = sections.map { kind, content in
        let encoding = kind == .statistics || kind == .setThresholds ? E3_FILE_ENCODING_FLOAT : E3_FILE_ENCODING_BYTES
        let extent = e3_file_extent(
          kind: UInt32(kind.rawValue), block: 0, index: 0, encoding: UInt32(encoding.rawValue),
          offset: 0, length: UInt64(content.count), checksum: 0)
        return Piece(extent: extent, content: content, alignment: 64)
      }
      return assemble(floats + optional + linears)
    }
  }

  private func assemble(_ pieces: [Piece]) -> [UInt8] {
    var body: [UInt8] = []
    var table: [e3_file_extent] = []
    let tableEnd = ExtentPlan.tableEnd(extentCount: pieces.count, networks: networks.count)
    for (index, piece) in pieces.enumerated() {
      var extent = piece.extent
      extent.checksum = piece.content.withUnsafeBytes { XXH64.hash($0) }
      let twin = pieces[..<index].indices.first { other in
        pieces[other].content == piece.content && pieces[other].extent.kind == extent.kind
          && pieces[other].extent.block == extent.block && pieces[other].extent.index == extent.index
      }
      if let twin, shares {
        extent.offset = table[twin].offset
      } else {
        extent.offset = ExtentPlan.aligned(tableEnd + UInt64(body.count), to: piece.alignment)
        body += [UInt8](repeating: 0, count: Int(extent.offset - tableEnd) - body.count) + piece.content
      }
      table.append(extent)
    }
    var header = e3_file_header()
    header.magic = UInt64(E3_FILE_MAGIC)
    header.version_major = UInt32(E3_FILE_VERSION_MAJOR)
    let isWeighted = calibration?.distance == UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue)
    let isAdaptive = calibration?.set_score == UInt32(E3_FILE_SCORE_ADAPTIVE.rawValue)
    let isOfVersion2 = isAdaptive || setThresholds != nil || earlyStops != nil
    header.version_minor = isOfVersion2 ? 2 : expertUses != nil || isWeighted ? 1 : 0
    header.numerics = UInt32(E3_FILE_NUMERICS)
    header.network_count = UInt32(networks.count)
    header.file_size = tableEnd + UInt64(body.count)
    header.extent_count = UInt32(pieces.count)
    var file = Self.raw(header) + networks.flatMap { Self.raw($0.config) } + table.flatMap { Self.raw($0) } + body
    file.reseal()
    return file
  }

  private func optionalSections(_ shape: ModelShape) -> [(ExtentKind, [UInt8])] {
    var sections: [(ExtentKind, [UInt8])] = []
    if let labels {
      var end: UInt32 = 0
      let ends = labels.flatMap { label -> [UInt8] in
        end += UInt32(label.utf8.count)
        return Self.raw(end)
      }
      sections.append((.labels, ends + labels.flatMap { Array($0.utf8) }))
    }
    if let provenance { sections.append((.provenance, Array(provenance.utf8))) }
    if golden {
      let pixels = (0..<((shape.imageValues + 63) / 64 * 64)).map { $0 < shape.imageValues ? UInt8($0 & 255) : 0 }
      let members = networks.reduce(0) { $0 + Int($1.config.member_count) }
      let logits = (0..<(members * shape.classCount)).flatMap { Self.raw(Float($0) - 1.5) }
      sections.append((.golden, pixels + logits))
    }
    return sections
  }

  package static func raw<T>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }
}

// MARK: Extents

extension SampleFile {
  private func content(_ entry: ExtentPlan.Entry, _ shape: ModelShape, _ random: inout SplitMix) -> [UInt8] {
    switch entry.kind {
    case .mlp, .expert, .mapMLP:
      let layers = [false, true].map { LinearLayout(shape, entry.kind, contract: $0) }
      guard weights != .int8 else { return layers.flatMap { Self.panels($0, &random) } }
      return layers.flatMap { Self.int4Panels($0, asInt8: weights == .expanded, &random) }
    case .router: return Self.floatPanels(entry, inputs: shape.hiddenSize, outputs: shape.expertsPerMember, &random)
    case .head: return Self.floatPanels(entry, inputs: shape.headInputSize, outputs: shape.classCount, &random)
    case .queryKeyNorm, .mapQuery, .mapKeyNorm:
      return Self.floats(entry, period: shape.headSizePadded, used: shape.headSize, &random)
    case _ where entry.encoding == .float:
      return Self.floats(entry, period: shape.hiddenSizePadded, used: shape.hiddenSize, &random)
    default: return Self.panels(LinearLayout(shape, entry.kind), &random)
    }
  }

  private static func floats(
    _ entry: ExtentPlan.Entry, period: Int, used: Int, _ random: inout SplitMix
  ) -> [UInt8] {
    (0..<Int(entry.length / 4)).flatMap { raw($0 % period < used ? random.float : 0) }
  }

  /// Panels [inputs][16], for each of one or more matrices; what follows the last is a bias.
  private static func floatPanels(
    _ entry: ExtentPlan.Entry, inputs: Int, outputs: Int, _ random: inout SplitMix
  ) -> [UInt8] {
    let padded = ModelShape.padded(outputs)
    return (0..<Int(entry.length / 4)).flatMap { index in
      let isBias = entry.kind == .head && index >= padded * inputs
      let output = isBias ? index - padded * inputs : index / (16 * inputs) % (padded / 16) * 16 + index % 16
      return raw(output < outputs ? random.float : 0)
    }
  }

  /// Random grids and codes of a layer all of whose inputs and outputs are real, or the int8 weights that they stand for.
  private static func int4Panels(_ layout: LinearLayout, asInt8: Bool, _ random: inout SplitMix) -> [UInt8] {
    let inputs = layout.paddedInputs
    let gridCount = (inputs + 31) / 32
    return (0..<layout.panelCount).flatMap { panel -> [UInt8] in
      var grids = [UInt8](repeating: 0, count: (gridCount * 16 + 63) / 64 * 64)
      var codes = [UInt8](repeating: 0, count: inputs * 8)
      var weights = [UInt8](repeating: 0, count: inputs * 16)
      var sums = [Int32](repeating: 0, count: 16)
      for channel in 0..<16 where panel * 16 + channel < layout.outputs {
        for group in 0..<gridCount {
          let zero = Int(random.next() % 16)
          let multiplier = Int(random.next() % UInt64(min(15, 127 / max(zero, 15 - zero)) + 1))
          grids[group * 16 + channel] = UInt8(multiplier + 16 * zero)
          for input in 32 * group..<min(32 * group + 32, inputs) {
            let code = input < layout.inputs ? Int(random.next() % 16) : zero
            let weight = multiplier * (code - zero)
            codes[input / 8 * 64 + channel * 4 + input % 4] |= UInt8(input % 8 < 4 ? code : 16 * code)
            weights[input / 4 * 64 + channel * 4 + input % 4] = UInt8(truncatingIfNeeded: weight)
            sums[channel] += Int32(weight)
          }
        }
      }
      let unit = 1.5 / (127 * Float(layout.inputs).squareRoot())
      let isReal = (0..<16).map { panel * 16 + $0 < layout.outputs }
      let scales = isReal.flatMap { raw($0 ? (0.5 + abs(random.float)) * unit : 0) }
      let biases = isReal.flatMap { raw($0 ? random.float : 0) }
      return (asInt8 ? weights : grids + codes) + scales + biases + sums.flatMap { raw($0 * 128) }
    }
  }

  private static func panels(_ layout: LinearLayout, _ random: inout SplitMix) -> [UInt8] {
    func isReal(_ index: Int, _ count: Int, _ period: Int, _ used: Int) -> Bool {
      index < count && index % period < used
    }
    return (0..<layout.panelCount).flatMap { panel -> [UInt8] in
      let real = (0..<16).map { isReal(panel * 16 + $0, layout.outputs, layout.outputPeriod, layout.outputUsed) }
      var weights = [UInt8](repeating: 0, count: layout.paddedInputs * 16)
      var sums = [Int32](repeating: 0, count: 16)
      for input in 0..<layout.inputs where isReal(input, layout.inputs, layout.inputPeriod, layout.inputUsed) {
        for channel in 0..<16 where real[channel] {
          let weight = Int8(truncatingIfNeeded: Int(random.next() % 255) - 127)
          weights[input / 4 * 64 + channel * 4 + input % 4] = UInt8(bitPattern: weight)
          sums[channel] += Int32(weight)
        }
      }
      let unit = 1.5 / (127 * Float(layout.inputs).squareRoot())  // keeps the outputs of order one
      let scales = real.flatMap { raw($0 ? (0.5 + abs(random.float)) * unit : 0) }
      let biases = real.flatMap { raw($0 ? random.float : 0) }
      return weights + scales + biases + sums.flatMap { raw($0 * 128) }
    }
  }
}
