import ArgumentParser
import E3Calibration
import E3DataSets
import E3Host

struct LearnCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "learn",
    abstract: "Add classes to a model from a few pictures, without training.",
    discussion: """
      The classes go into a .e3c file beside the model, which e3-run --classes takes; it is begun when it is not there, and \
      pictures of a class that it has are added to that, and count again when it has them already: the file keeps no \
      pictures. With --anew they take the place of those that it had. The model must be calibrated, with class statistics.

      Five pictures of a class that show it as it will be seen are a good start; with fewer than three an answer of the \
      class is at most unsure. Pictures of other things that may come before the camera (--unlike) make a class much \
      more selective. What is printed was measured with each picture left out in turn; of a class \
      that the file has already it is not known without --anew.
      """)

  @Argument(help: "Model file.", completion: .file(extensions: ["e3"]))
  var model: String

  @Argument(
    help: "A folder with one folder of pictures for each class, or pictures of one class, which --label names.",
    completion: .file())
  var pictures: String

  @Option(help: ArgumentHelp("What the class is called.", valueName: "text"))
  var label: String?

  @Option(
    help: ArgumentHelp("Pictures of things that are of none of the classes.", valueName: "dataset"), completion: .file()
  )
  var unlike: String?

  @Flag(help: "Forget what the file has of these classes before; e3-run --forget takes a class out.")
  var anew = false

  @Option(help: ArgumentHelp("The learned classes.", valueName: "file.e3c"), completion: .file(extensions: ["e3c"]))
  var classes: String

  @Option(
    help: "What transparent pixels of pictures show: white, black, or their own colour (ignore). As e3-run is told.")
  var alpha = PictureAlpha.white

  @Option(help: "Leave out so many images at the start of the pictures.")
  var skip = 0

  @Option(help: "Take only so many images of the pictures.")
  var limit: Int?

  func validate() throws {
    if skip < 0 { throw ValidationError("--skip takes 0 or more") }
    if let limit, limit < 1 { throw ValidationError("--limit takes 1 or more") }
  }

  func run() throws {
    let whole = try DataSet(path: pictures, alpha: alpha)
    guard let data = whole.part(skip: skip, limit: limit) else {
      throw FileError(file: pictures, problem: "\(counted(whole.count, "image")), of which \(skip) are left out")
    }
    let others = try unlike.map { (path) throws(FileError) in try DataSet(path: path, alpha: alpha) }
    try requireOutput(classes, besides: [model, pictures, unlike].compactMap { $0 })
    let sets = [data] + [others].compactMap { $0 }
    try printValueNote(on: sets, model: model)
    let meter = ProgressMeter("learning \(classes)")
    let summary = try learnClasses(
      model: model, pictures: data, label: label, unlike: others, anew: anew, file: classes
    ) { meter.update($0) }
    for line in pictureRemarks(on: sets) { printNote(line) }
    print("\(inOneLine(classes)): \(counted(summary.classes.count, "class", "classes")) learned")
    for line in summary.lines { print(line) }
    for doubt in summary.doubts { writeToStandardError("e3-convert: warning: \(doubt)\n") }
  }
}

extension LearningSummary {
  /// What may be expected, line by line.
  fileprivate var lines: [String] {
    var lines = classes.flatMap { learned in
      let line =
        "  \(learned.label): \(counted(learned.pictures, "picture")), "
        + "radius \(rounded(learned.radius)), "
        + found(learned)
        + (learned.pictures < 3 ? "; fewer than 3 pictures: at most unsure" : "")
      return [line] + known(learned)
    }
    if copies == 1 { lines.append("  1 of the pictures is a copy of another, and counts once") }
    if copies > 1 { lines.append("  \(copies) of the pictures are copies of others, and count once") }
    let way = earlierUnlike > 0 ? Self.reason(earlierUnlike) : "--unlike PICTURES measures it, and lessens it"
    lines.append(
      taken.map { "  taken for one of them, of the unlike pictures: \($0.text)" }
        ?? "  other things taken for one of them: not known; \(way)")
    return lines
  }

  private func known(_ learned: Class) -> [String] {
    let count = learned.known.reduce(0) { $0 + $1.pictures }
    guard count > 0 else { return [] }
    return [
      "  \(learned.label): \(count) of these pictures \(count == 1 ? "is" : "are") known already: "
        + learned.known.map { "\($0.pictures) as \($0.label)" }.joined(separator: ", ")
    ]
  }

  private func found(_ learned: Class) -> String {
    if learned.earlier > 0 { return "found: not known; \(Self.reason(learned.earlier))" }
    return learned.found.of > 0 ? "found \(learned.found.text)" : "found: one picture cannot tell"
  }

  /// Why nothing can be said with each picture left out.
  private static func reason(_ earlier: Int) -> String {
    "these may be among the \(counted(earlier, "picture")) that it had, --anew begins without them"
  }

  private func rounded(_ value: Float) -> String {
    let thousandths = Int((value * 1000).rounded())
    return "\(thousandths / 1000).\(String(String(thousandths % 1000 + 1000).dropFirst()))"
  }
}

extension Share {
  fileprivate var text: String {
    let (low, high) = interval
    let percent = [Double(count) / Double(max(of, 1)), low, high].map { "\(Int(($0 * 100).rounded()))" }
    return "\(count) of \(of) when left out (\(percent[0]) %; of all such pictures \(percent[1]) to \(percent[2]) %)"
  }
}
