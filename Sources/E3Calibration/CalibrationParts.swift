import CE3
import E3Format
import E3Host
import E3Models

/// The sections that a calibration writes into a model file.
struct CalibrationParts {
  private let calibration: e3_file_calibration
  private let statistics: ClassStatistics?
  /// `[C]` of the prediction sets; empty where the calibration has one for all classes.
  private let setThresholds: [Float]
  /// How many images chose each expert; empty where that is not known.
  private let expertUses: [UInt32]
  /// When an answer may stop, network by network, and the share that may then differ; nil: it never stops.
  var early: (share: Double, stops: [EarlyStop])?

  init(
    _ calibration: e3_file_calibration, _ statistics: ClassStatistics?, setThresholds: [Float] = [],
    expertUses: [UInt32] = []
  ) {
    (self.calibration, self.statistics) = (calibration, statistics)
    (self.setThresholds, self.expertUses) = (setThresholds, expertUses)
  }

  /// The sections, in ascending kind.
  private var sections: [(kind: ExtentKind, bytes: [UInt8])] {
    var sections = [(ExtentKind.calibration, withUnsafeBytes(of: calibration) { Array($0) })]
    if let statistics { sections.append((.statistics, statistics.values.withUnsafeBytes { Array($0) })) }
    if !setThresholds.isEmpty { sections.append((.setThresholds, setThresholds.withUnsafeBytes { Array($0) })) }
    if !expertUses.isEmpty { sections.append((.expertUses, expertUses.withUnsafeBytes { Array($0) })) }
    if let early {
      let head = e3_file_early(
        calibration: sections[0].1.withUnsafeBytes { XXH64.hash($0) }, share: Float(early.share), reserved: 0)
      let stops = early.stops.map(\.stored)
      sections.append((.earlyStops, withUnsafeBytes(of: head) { Array($0) } + stops.withUnsafeBytes { Array($0) }))
    }
    return sections
  }

  /// Writes `model` with these sections in the place of those that it may have; the file is sealed but has no name yet.
  func write(_ model: MappedModel, to output: String) throws(FileError) -> ModelFileWriter {
    let file = model.file
    let own = sections
    func kind(_ index: Int) -> ExtentKind { ExtentKind(rawValue: .init(file.extent(at: index).kind)) }
    // What comes after the calibration may be sections that this version passes over.
    let kept = file.sections.filter {
      ![ExtentKind.calibration, .statistics, .setThresholds, .expertUses, .earlyStops].contains(kind($0))
    }
    let all = kept.map { (kind($0), file.bytes(at: $0).count) } + own.map { ($0.kind, $0.bytes.count) }
    let writer = try ModelFileWriter(
      path: output, shapes: model.networks.map(\.shape), sections: all.sorted { $0.0.rawValue < $1.0.rawValue },
      encoding: { network, entry in
        let view = model.networks[network]
        let planned = ExtentPlan(view.shape).index(of: entry.kind, block: entry.block, expert: entry.expert)
        return ExtentEncoding(rawValue: .init(view.extent(at: view.tableIndex(ofPlanned: planned)).encoding))
      })
    for _ in 0..<writer.extentCount {
      let extent = try writer.beginExtent()
      let entry = extent.entry
      if let network = extent.network {
        let view = model.networks[network]
        let planned = ExtentPlan(view.shape).index(of: entry.kind, block: entry.block, expert: entry.expert)
        try writer.write(view.bytes(at: view.tableIndex(ofPlanned: planned)))
      } else if let section = own.first(where: { $0.kind == entry.kind }) {
        try writer.write(section.bytes)
      } else if let index = kept.first(where: { kind($0) == entry.kind }) {
        try writer.write(file.bytes(at: index))
      }
    }
    let isWeighted = calibration.distance == UInt32(E3_FILE_DISTANCE_WEIGHTED.rawValue)
    let isAdaptive = calibration.set_score == UInt32(E3_FILE_SCORE_ADAPTIVE.rawValue)
    try writer.seal(minorVersion: isAdaptive || !setThresholds.isEmpty ? 2 : isWeighted ? 1 : 0)
    return writer
  }
}
