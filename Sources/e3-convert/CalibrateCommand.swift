import ArgumentParser
import E3Calibration
import E3DataSets
import E3Host
import Glibc

extension PictureAlpha: ExpressibleByArgument {}

extension PredictionSetKind: ExpressibleByArgument {}

extension DistanceName: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public static var allValueStrings: [String] { all.map(\.text) }
}

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Fit temperature, thresholds, prediction sets and class statistics on held-out images.",
    discussion: """
      The int8 runtime itself runs on the images, which must be none that the model was trained on. A data set is an IDX \
      file (.gz too), a .npy array, or a folder with one folder of pictures for each class; pictures and bytes go through \
      the model's preprocessing whatever their size, floats in a .npy array are values in the model's value range.

      The class statistics say what the representations of each class look like; a distance from them decides what is unknown. \
      It is the relative Mahalanobis distance, unless another one, or one with an entropy added, tells foreign images better by \
      two standard errors of the difference: images of the data set whose quarters are exchanged, and those of --unknown. No \
      threshold is fitted to foreign images: --known-coverage holds for known ones. The statistics come from --statistics (training images are well suited), or from every other image of each class of \
      the data set; the rest then gives temperature and thresholds. A calibrated model is calibrated anew; a note \
      says what its calibration had and the new one has not.
      """)

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  @Argument(help: "Held-out images.", completion: .file())
  var dataset: String

  @Option(
    help: ArgumentHelp(
      """
      Labels: IDX, .npy, or text with one class number a line, of a folder's pictures by the bytes of their names. Found \
      without it beside IDX files named as MNIST's.
      """, valueName: "file"), completion: .file())
  var labels: String?

  @Option(help: "Leave out so many images at the start of the data set.")
  var skip = 0

  @Option(help: "Take only so many images of the data set.")
  var limit: Int?

  @Option(help: ArgumentHelp("Images for the class statistics.", valueName: "dataset"), completion: .file())
  var statistics: String?

  @Option(help: ArgumentHelp("Labels of --statistics.", valueName: "file"), completion: .file())
  var statisticsLabels: String?

  @Option(help: "Leave out so many images at the start of --statistics.")
  var statisticsSkip = 0

  @Option(help: "Take only so many images of --statistics.")
  var statisticsLimit: Int?

  @Option(
    help: ArgumentHelp(
      "Images of no class, which help to choose what decides; may be given several times.", valueName: "dataset"),
    completion: .file())
  var unknown: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Labels of the kinds of --unknown, as often as that; folders have them. From three kinds on they say how alike \
      pictures of a class are that is taught later (e3-convert learn).
      """, valueName: "file"), completion: .file())
  var unknownLabels: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Decide by this: relative, half-relative or mahalanobis, ++ for representations at unit length, then ,entropy or \
      ,mutual-information to add that.
      """, valueName: "name"))
  var distance: DistanceName?

  @Option(
    help: "What transparent pixels of pictures show: white, black, or their own colour (ignore). As e3-run is told.")
  var alpha = PictureAlpha.white

  @Option(help: "Share of images whose class is to be in the prediction set.")
  var coverage = CalibrationOptions().coverage

  @Option(
    help: """
      Which classes a prediction set holds: those probable enough (least-ambiguous), as many of the most probable as it takes \
      (adaptive, APS), or that with a penalty for long sets (regularised, RAPS).
      """)
  var sets = CalibrationOptions().sets

  @Flag(
    help: "Fit the prediction sets for each class by itself, so that --coverage holds for the images of every class.")
  var classConditional = false

  @Option(help: "Share of images of the data set's kind that are not to be called unknown.")
  var knownCoverage = CalibrationOptions().knownCoverage

  @Option(help: "Share of the known images to accept.")
  var acceptCoverage = CalibrationOptions().acceptCoverage

  @Option(
    help: ArgumentHelp(
      """
      Of a deep ensemble: also fit after which networks an answer may stop, for e3-run --early, so that at most this share \
      of the images that stop has another decision or class than all networks give; 0.005 is a good start.
      """, valueName: "share"))
  var early: Double?

  @Flag(help: "Leave the class statistics out: nothing is unknown, and a frame costs less for models of many classes.")
  var noDistance = false

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("File to write; the model itself when left out.", valueName: "out.e3"),
    completion: .file(extensions: ["e3"]))
  var output: String?

  @Option(help: "Images that are run at the same time; one per processor when left out.")
  var threads: Int?

  func validate() throws {
    // What a float of the file tells from 0 and from 1; more images than a million would be needed beyond.
    for (name, value) in [
      ("coverage", coverage), ("known-coverage", knownCoverage), ("accept-coverage", acceptCoverage),
      ("early", early ?? 0.5),
    ] where !(0.000001...0.999999).contains(value) {
      throw ValidationError("--\(name) takes a share from 0.000001 to 0.999999")
    }
    for (name, value) in [("skip", skip), ("statistics-skip", statisticsSkip)] where value < 0 {
      throw ValidationError("--\(name) takes 0 or more")
    }
    for (name, value) in [("limit", limit), ("statistics-limit", statisticsLimit)] where (value ?? 1) < 1 {
      throw ValidationError("--\(name) takes 1 or more")
    }
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads takes 1 to 256") }
    let hasStatisticsOptions = statisticsLabels != nil || statisticsSkip > 0 || statisticsLimit != nil
    if statistics == nil, hasStatisticsOptions {
      throw ValidationError("--statistics-labels, --statistics-skip and --statistics-limit belong to --statistics")
    }
    if noDistance, !unknown.isEmpty || distance != nil {
      throw ValidationError("--no-distance excludes --unknown and --distance")
    }
    if let distance, !unknown.isEmpty, !distance.leavesAChoice {
      throw ValidationError("--distance \(distance.text) leaves nothing for --unknown to choose")
    }
    if !unknownLabels.isEmpty, unknownLabels.count != unknown.count {
      throw ValidationError("--unknown-labels is given as often as --unknown")
    }
    if noDistance, statistics != nil { throw ValidationError("--statistics and --no-distance exclude each other") }
  }

  func run() throws {
    var options = CalibrationOptions()
    (options.coverage, options.knownCoverage, options.acceptCoverage) = (coverage, knownCoverage, acceptCoverage)
    (options.sets, options.isClassConditional) = (sets, classConditional)
    options.hasDistance = !noDistance
    options.distance = distance
    options.earlyShare = early
    options.threads = threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let data = try open(dataset, labels, skip, limit)
    let source = try statistics.map { try open($0, statisticsLabels, statisticsSkip, statisticsLimit) }
    let foreign = try unknown.indices.map { (place) throws(FileError) in
      try DataSet(path: unknown[place], labels: unknownLabels.isEmpty ? nil : unknownLabels[place], alpha: alpha)
    }
    let output = output ?? model
    try requireOutput(
      output, besides: [dataset, labels, statistics, statisticsLabels].compactMap { $0 } + unknown + unknownLabels)
    let sets = [data] + [source].compactMap { $0 } + foreign
    try printValueNote(on: sets, model: model)
    try printFolderNote(on: data, model: model)
    var meters: [String: ProgressMeter] = [:]
    let summary = try calibrate(
      model: model, data: data, statistics: source, unknown: foreign, output: output, options: options
    ) { stage, share in
      if meters[stage] == nil { meters = [stage: ProgressMeter("calibrating \(model), \(stage)")] }
      meters[stage]?.update(share)
    }
    meters = [:]
    for line in pictureRemarks(on: sets) { printNote(line) }
    print("\(inOneLine(output)): calibrated")
    print(summary.text)
    if !summary.lost.isEmpty {
      writeToStandardError(
        "e3-convert: note: the calibration before had also \(summary.lost.joined(separator: ", "))\n")
    }
    for doubt in summary.doubts { writeToStandardError("e3-convert: warning: \(doubt)\n") }
  }

  private func open(
    _ path: String, _ labels: String?, _ skip: Int, _ limit: Int?
  ) throws(FileError) -> DataSet {
    let data = try DataSet(path: path, labels: labels ?? DataSet.labels(beside: path), alpha: alpha)
    guard let part = data.part(skip: skip, limit: limit) else {
      throw FileError(file: path, problem: "\(counted(data.count, "image")), of which \(skip) are left out")
    }
    return part
  }
}
