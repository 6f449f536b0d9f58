import ArgumentParser
import E3Converter

/// The arguments that choose the preprocessing recipe.
struct PreprocessingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How frames are brought to the image size: stretch, small-crop[:SIDE] or stretch-float.", valueName: "method"))
  var resize: ResizeChoice?

  // Unconditional, as the values may begin with a minus sign.
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pixel values for bytes 0 and 255 (default for V-MoE and safetensors: -1,1).", valueName: "LOW,HIGH"))
  var valueRange: ValueRange?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Pixel values are (x - MEAN) / STD; one pair, or three means and three deviations (default for vit_jax: 127.5,127.5).",
      valueName: "MEAN,STD"))
  var valueNorm: ValueNorm?

  func validate() throws {
    if valueRange != nil && valueNorm != nil {
      throw ValidationError("--value-range and --value-norm exclude each other")
    }
  }

  var value: Preprocessing.Value? { valueRange?.value ?? valueNorm?.value }
}

/// `stretch`, `stretch-float`, `small-crop` or `small-crop:256`.
struct ResizeChoice: ExpressibleByArgument {
  let resize: Preprocessing.Resize

  init?(argument: String) {
    switch argument {
    case "stretch": resize = .stretch
    case "stretch-float": resize = .stretchFloat
    case "small-crop": resize = .smallCrop(side: nil)
    default:
      guard argument.hasPrefix("small-crop:"), let side = Int(argument.dropFirst(11)), (1...16384).contains(side)
      else { return nil }
      resize = .smallCrop(side: side)
    }
  }
}

/// `LOW,HIGH`.
struct ValueRange: ExpressibleByArgument {
  let value: Preprocessing.Value

  init?(argument: String) {
    guard let numbers = floats(argument), numbers.count == 2, numbers[0] < numbers[1] else { return nil }
    value = .range(low: numbers[0], high: numbers[1])
  }
}

/// `MEAN,STD`, or `MEAN,MEAN,MEAN,STD,STD,STD` in the order of the channels.
struct ValueNorm: ExpressibleByArgument {
  let value: Preprocessing.Value

  init?(argument: String) {
    guard let numbers = floats(argument), numbers.count == 2 || numbers.count == 6 else { return nil }
    let half = numbers.count / 2
    guard numbers[half...].allSatisfy({ $0 > 0 }) else { return nil }
    value = .norm(mean: Array(numbers[..<half]), deviation: Array(numbers[half...]))
  }
}

/// Comma-separated finite numbers; nil when one is something else.
private func floats(_ text: String) -> [Float]? {
  let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) }
  guard numbers.allSatisfy({ $0?.isFinite ?? false }) else { return nil }
  return numbers.compactMap { $0 }
}
