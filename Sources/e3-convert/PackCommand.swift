import ArgumentParser
import E3Converter
import E3Host
import E3Models
import Glibc

struct PackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pack",
    abstract: "Pack a checkpoint as a model file, or several as a deep ensemble in one file.",
    discussion: """
      The file appears under its name only when it is complete; the same input always gives the same bytes. The networks of \
      an ensemble may be of any kind; they know the same classes and prepare images alike. The answer is that of all their \
      members, and what they have in common is stored once.
      """)

  @Argument(
    help:
      "Checkpoints of V-MoE, timm, Hugging Face, torchvision, vit_jax or big_vision, or their folders: the networks.")
  var checkpoints: [String]

  @Option(
    help: ArgumentHelp(
      """
      Model configuration: V-MoE's, Hugging Face's or timm's; without it the one beside the checkpoint, or what the shapes \
      tell. Of several checkpoints one for all, or one for each.
      """, valueName: "config.json"))
  var config: [String] = []

  @OptionGroup var model: ModelReading

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Model file to write.", valueName: "model.e3"),
    completion: .file(extensions: ["e3"]))
  var output: String

  @Option(
    help: ArgumentHelp("Text file with one label per line, in the order of the classes.", valueName: "file"),
    completion: .file())
  var labels: String?

  @OptionGroup var preprocessing: PreprocessingArguments

  @Option(
    help: ArgumentHelp(
      "Bits of the weights: of experts and of the other MLPs 4 or 8, of attention 8.",
      valueName: "experts=B,mlp=B,attention=8"))
  var weights = WeightArgument(bits: WeightBits())

  @Option(
    help: ArgumentHelp(
      """
      What the weights are rounded against, so that answers stay nearest to the float ones: pictures of the kind that the \
      model will see, in a folder, IDX or .npy, without labels; `drawn`: pictures that are drawn; `nearest`: nothing, every \
      weight goes to the nearest step. Without it: drawn up to 100 million parameters.
      """, valueName: "images|drawn|nearest"), completion: .file())
  var quantizeWith: String?

  @Option(help: ArgumentHelp("How many images to use, spread evenly.", valueName: "n"))
  var quantizeCount: Int = 64

  func validate() throws {
    if let word = quantizeWith, ["drawn", "nearest"].contains(word), access(word, F_OK) == 0 {
      throw ValidationError(
        "--quantize-with \(word) is a word and a file here: write ./\(word) for the file, or rename it")
    }
    guard quantizeCount > 0 else { throw ValidationError("--quantize-count is \(quantizeCount), expected 1 or more") }
    guard weights.isValid else {
      let hint = WeightArgument(argument: "experts=\(weights.text),mlp=\(weights.text)").isValid
      throw ValidationError(
        "--weights takes experts=B, mlp=B and attention=8 with B 4 or 8, separated by commas"
          + (hint ? ": --weights experts=\(weights.text),mlp=\(weights.text)" : ", not \(weights.text)"))
    }
    _ = try checkpointSources(checkpoints, configs: config, model.tensors)
  }

  private var rounding: Rounding {
    switch quantizeWith {
    case nil: .automatic
    case "drawn": .drawn
    case "nearest": .nearest
    case let path?: .images(path: path, count: quantizeCount)
    }
  }

  func run() throws {
    let options = PackOptions(
      model: model.options(capacity: .none), labels: labels,
      resize: preprocessing.resize?.resize,
      value: preprocessing.value, weights: weights.bits, rounding: rounding)
    if let note = preprocessing.note { printNote(note) }
    let meter = ProgressMeter("packing \(output)")
    try pack(
      checkpointSources(checkpoints, configs: config, model.tensors), output: output, options: options, note: printNote,
      progress: meter.update)
    let model = try MappedModel(path: output)
    let parts = [
      counted(model.networks.count, "network"), counted(model.file.memberCount, "member"),
      counted(model.file.shape.classCount, "class", "classes"), counted(model.file.size, "byte"),
    ]
    print("\(inOneLine(output)): packed: \(parts.joined(separator: ", "))")
  }
}

/// `experts=4,mlp=8,attention=8`: any of the three, each once; 8 where nothing is said.
struct WeightArgument: ExpressibleByArgument {
  let bits: WeightBits
  /// As it was given.
  let text: String
  /// Whether it says bits: the command's own words are of more help than the parser's.
  let isValid: Bool

  init(bits: WeightBits) { (self.bits, text, isValid) = (bits, "", true) }

  init(argument: String) {
    text = argument
    let parsed = Self.bits(of: argument)
    (bits, isValid) = (parsed ?? WeightBits(), parsed != nil)
  }

  private static func bits(of argument: String) -> WeightBits? {
    var bits = WeightBits()
    var seen: Set<Substring> = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: "=", omittingEmptySubsequences: false)
      guard words.count == 2, seen.insert(words[0]).inserted,
        let width = Int(words[1]).flatMap(WeightBits.Width.init), String(width.rawValue) == words[1]
      else { return nil }
      switch words[0] {
      case "experts": bits.experts = width
      case "mlp": bits.mlp = width
      case "attention" where width == .eight: break
      default: return nil
      }
    }
    return bits
  }

  var defaultValueDescription: String { "experts=8,mlp=8,attention=8" }
}

/// Prints what a command took for granted, on stderr.
func printNote(_ line: String) { writeToStandardError("e3-convert: note: \(inOneLine(line))\n") }
