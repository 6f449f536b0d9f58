import ArgumentParser
import E3Checkpoint
import E3Converter

/// The arguments that choose the preprocessing recipe.
struct PreprocessingArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      How frames are brought to the image size: stretch, small-crop[:SIDE], stretch-float, or Pillow's resize and a \
      central crop, such as bicubic:248 (shorter side) and bilinear:224x224.
      """, valueName: "method"))
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
      """
      Pixel values are (x - MEAN) / STD; one pair, or three means and three deviations, of pixels in 0...1 as most libraries \
      write them, or in 0...255 (default for vit_jax: 127.5,127.5).
      """, valueName: "MEAN,STD"))
  var valueNorm: ValueNorm?

  func validate() throws {
    if valueRange != nil && valueNorm != nil {
      throw ValidationError("--value-range and --value-norm exclude each other")
    }
    if let valueNorm, valueNorm.unit == nil {
      throw ValidationError(
        "--value-norm takes means and deviations of pixels in 0...1 (0.485,0.229) or in 0...255 (123.7,58.4); "
          + valueNorm.fault)
    }
    if let valueRange, valueRange.reach > PixelUnit.largestPlausibleValue {
      throw ValidationError(
        "--value-range takes the values that bytes 0 and 255 become, such as -1,1 or 0,1; no model is trained on "
          + "values of \(valueRange.reach)")
    }
  }

  var value: Preprocessing.Value? { valueRange?.value ?? valueNorm?.value }

  /// In which unit the means were taken, in a line; nil without any.
  var note: String? {
    valueNorm?.unit.map { "--value-norm is taken as of pixels in 0...\($0 == 1 ? "1" : "255")" }
  }
}

/// `stretch`, `stretch-float`, `small-crop`, `small-crop:256`; `bicubic:248` and `bilinear:224x224`, with any of
/// Pillow's filters.
struct ResizeChoice: ExpressibleByArgument {
  let resize: Preprocessing.Resize

  init?(argument: String) {
    switch argument {
    case "stretch": resize = .stretch
    case "stretch-float": resize = .stretchFloat
    case "small-crop": resize = .smallCrop(side: nil)
    default:
      let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2 else { return nil }
      let sides = parts[1].split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
      guard (1...2).contains(sides.count), sides.allSatisfy({ $0 > 0 }) else { return nil }
      if parts[0] == "small-crop", sides.count == 1 {
        resize = .smallCrop(side: sides[0])
      } else if let filter = SourcePreprocessing.Filter(rawValue: String(parts[0])) {
        let size: SourcePreprocessing.Resize =
          sides.count == 1 ? .shorterSide(sides[0]) : .exact(Grid(height: sides[0], width: sides[1]))
        resize = .pillow(size, filter, .halfToEven)
      } else {
        return nil
      }
    }
  }
}

/// `LOW,HIGH`.
struct ValueRange: ExpressibleByArgument {
  let value: Preprocessing.Value
  /// Largest magnitude of a pixel.
  let reach: Float

  init?(argument: String) {
    guard let numbers = floats(argument), numbers.count == 2, numbers[0] < numbers[1] else { return nil }
    value = .range(low: numbers[0], high: numbers[1])
    reach = max(abs(numbers[0]), abs(numbers[1]))
  }
}

/// `MEAN,STD`, or `MEAN,MEAN,MEAN,STD,STD,STD` in the order of the channels.
struct ValueNorm: ExpressibleByArgument {
  private let mean, deviation: [Float]

  init?(argument: String) {
    guard let numbers = floats(argument), numbers.count == 2 || numbers.count == 6 else { return nil }
    let half = numbers.count / 2
    guard numbers[half...].allSatisfy({ $0 > 0 }) else { return nil }
    (mean, deviation) = (Array(numbers[..<half]), Array(numbers[half...]))
  }

  /// Largest value of the pixels the constants are of: 1 or 255; nil when they are plausible for neither.
  var unit: Float? { PixelUnit.largest(mean: mean, deviation: deviation) }

  /// In units of bytes.
  var value: Preprocessing.Value? {
    unit.map { unit in
      .norm(mean: mean.map { $0 * (255 / unit) }, deviation: deviation.map { $0 * (255 / unit) })
    }
  }

  /// Why the constants have no unit.
  var fault: String {
    if PixelUnit.isMixed(mean: mean, deviation: deviation) { return "these are some of one and some of the other" }
    let reaches = [1, 255].map { PixelUnit.reach(of: $0, mean: mean, deviation: deviation) }
    return "these are neither: values would reach \(reaches[0]) or \(reaches[1])"
  }
}

/// Comma-separated finite numbers; nil when one is something else.
private func floats(_ text: String) -> [Float]? {
  let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) }
  guard numbers.allSatisfy({ $0?.isFinite ?? false }) else { return nil }
  return numbers.compactMap { $0 }
}
