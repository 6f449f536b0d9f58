import ArgumentParser
import E3Checkpoint
import E3DataSets
import E3Evaluation
import E3Host
import E3Models
import E3Reference
import Glibc

extension PictureAlpha: ExpressibleByArgument {}

@main
struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "e3-eval",
    abstract: "Measure what a model's answers and its uncertainty are worth, with the int8 runtime itself.",
    usage: "e3-eval MODEL.e3 … DATASET [options]",
    discussion: """
      A data set is an IDX file (.gz too), a .npy array, a folder of pictures, or a folder with one folder of pictures for \
      each class. Pictures and bytes go through the model's preprocessing whatever their size, as in e3-run; floats in a \
      .npy array are values in the model's value range, as in e3-run --tensor. Several models are evaluated as their deep \
      ensemble.
      """,
    version: libraryVersion)

  @Argument(help: ArgumentHelp("Model files, then the labelled images.", valueName: "MODEL.e3 … DATASET"))
  var paths: [String]

  @Option(
    help: ArgumentHelp(
      """
      Labels: IDX, .npy, or text with one class number a line, of a folder's pictures by the bytes of their names. Found \
      without it beside IDX files named as MNIST's.
      """, valueName: "file"))
  var labels: String?

  @Option(help: ArgumentHelp("Images unlike the training data; may be given several times.", valueName: "dataset"))
  var ood: [String] = []

  @Flag(help: "Also measure noise, blur, contrast, brightness, rotation and JPEG at five severities each.")
  var corruptions = false

  @Option(
    help: """
      Also score the probabilities with this temperature, fitted after averaging: the "best temperature" that e3-eval \
      prints for held-out images.
      """)
  var temperature: Double?

  @Option(
    help: ArgumentHelp(
      "Also run this checkpoint in float32 and show what int8 costs; given once for each network of the file.",
      valueName: "checkpoint"))
  var reference: [String] = []

  @Option(
    help: ArgumentHelp(
      "Configuration of the reference, for all or for each; the one beside it when left out.",
      valueName: "config.json"))
  var config: [String] = []

  @Option(help: ArgumentHelp("Leave out such tensors of the reference, as e3-convert pack does.", valueName: "pattern"))
  var ignore: [String] = []

  @Option(
    help: ArgumentHelp("Most bytes that say which tensors a reference has, as for e3-convert.", valueName: "bytes"))
  var maxHeader: Int = Checkpoint.headerLimit

  private var references: [CheckpointSource]? {
    CheckpointSource.all(reference, configs: config, ignoring: ignore, headerLimit: maxHeader)
  }

  @Flag(
    help: """
      Also run the file as e3-run --early does, beside all of its networks: what share stops early and differs, and what \
      that costs and saves.
      """)
  var early = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @Option(
    help: ArgumentHelp(
      """
      Also write a page for a browser to this file: the figures, the worst mistakes and accepted foreign pictures as \
      pictures, maps of the experts. It holds all that it shows and needs no network.
      """, valueName: "out.html"))
  var report: String?

  @Option(help: ArgumentHelp("Write diagrams to this folder, as SVG.", valueName: "dir"))
  var plots: String?

  @Option(help: "What transparent pixels of pictures show: white, black, or their own colour (ignore).")
  var alpha = PictureAlpha.white

  @Option(help: "Images that are worked on at the same time; one per processor when left out.")
  var threads: Int?

  @Option(help: "Take only so many images of each data set.")
  var limit: Int?

  @Option(help: "Leave out so many images at the start of each data set.")
  var skip = 0

  func validate() throws {
    guard paths.count >= 2 else { throw ValidationError("give at least a model file and a data set") }
    if let threads, !(1...256).contains(threads) { throw ValidationError("--threads takes 1 to 256") }
    if let limit, limit < 1 { throw ValidationError("--limit takes 1 or more") }
    if let temperature, !(0.01...100).contains(temperature) {
      throw ValidationError("--temperature takes 0.01 to 100")
    }
    guard skip >= 0 else { throw ValidationError("--skip takes 0 or more") }
    guard config.isEmpty || !reference.isEmpty else { throw ValidationError("--config belongs to --reference") }
    guard ignore.isEmpty || !reference.isEmpty else { throw ValidationError("--ignore belongs to --reference") }
    guard maxHeader > 0 else { throw ValidationError("--max-header is \(maxHeader), expected 1 or more bytes") }
    guard references != nil else {
      throw ValidationError("--config is given \(config.count) times, expected once or once for each --reference")
    }
  }

  func run() throws {
    var evaluation = Evaluation(models: Array(paths.dropLast()), dataSet: paths[paths.count - 1])
    evaluation.labels = labels
    evaluation.outOfDistribution = ood
    evaluation.evaluatesCorruptions = corruptions
    evaluation.reference = references ?? []
    evaluation.threads = threads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    evaluation.temperature = temperature
    evaluation.comparesEarly = early
    evaluation.alpha = alpha
    evaluation.skip = skip
    evaluation.limit = limit
    evaluation.output = report
    if let plots { try Report.makePlotFolder(plots) }
    let page = try report.map { (path) throws(FileError) in
      try requireOutput(path, besides: paths + ood + reference + config + [labels].compactMap { $0 })
      return try AtomicFile(path: path)
    }
    let report = try evaluation.run(
      progress: { name in
        let meter = ProgressMeter(name)
        return meter.update
      }, note: { writeToStandardError("e3-eval: note: \(inOneLine($0))\n") })
    print(json ? report.json : report.text)
    if let plots { try report.writePlots(to: plots) }
    if let page { try report.writePage(to: page) }
  }

  static func main() {
    runCommand(
      "e3-eval", message: { exitCode(for: $0).isSuccess ? fullMessage(for: $0) : nil },
      usage: { fullMessage(for: $0) }
    ) {
      try parse().run()
    }
  }
}
