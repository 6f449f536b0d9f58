import CE3
import CE3Kernels
import E3Format

/// The preprocessing recipe of a model, applied to one frame.
///
/// Resampling and value range are those of the reference (V-MoE `resize`, `resize_small` + `central_crop`, `value_range`;
/// vit_jax), in float32 and in one fixed order of operations, so that every CPU and any division of the lines among
/// threads gives the same bits. Pixels are converted where they are fetched; no scratch memory is used.
///
/// Use: check the frame, then let every thread prepare its share of `0 ..< destination.lineCount`:
///
///     let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape)
///     let destination = PatchMatrix(shape: shape, rows: rows, rowStride: stride)
///     preparation.run(lines: first..<last, into: destination)
struct FramePreparation {
  private var arguments: e3k_prepare

  /// The model's own recipe for a camera frame.
  init(of frame: Frame, shape: ModelShape) {
    self.init(frame: frame, shape: shape, resize: shape.resizeMethod)
  }

  /// The model's golden input: pixels that already have the size of the model's image, so only the value range applies.
  init(goldenPixels: UnsafePointer<UInt8>, shape: ModelShape) {
    // A stretch to the same size takes every pixel as it is.
    self.init(frame: Frame(pixels: goldenPixels, shape: shape), shape: shape, resize: .stretch)
  }

  private init(frame: Frame, shape: ModelShape, resize: ResizeMethod) {
    let geometry = Geometry(frame: frame, shape: shape, resize: resize)
    let config = shape.config
    arguments = e3k_prepare()
    arguments.image = frame.image
    arguments.resample = geometry.resample
    arguments.scale_x = Float(frame.width) / Float(geometry.width)
    arguments.scale_y = Float(frame.height) / Float(geometry.height)
    arguments.crop_x = UInt32(truncatingIfNeeded: geometry.cropX)
    arguments.crop_y = UInt32(truncatingIfNeeded: geometry.cropY)
    arguments.normalize = shape.valueMapping == .norm ? 1 : 0
    arguments.low = config.value_low
    arguments.span = config.value_high - config.value_low
    arguments.mean = config.value_mean
    arguments.deviation = config.value_deviation
  }

  /// Prepares the lines `lines` of the model's image.
  ///
  /// Cost: bilinear reads four pixels for each pixel of the model's image; area reads every pixel of the cropped part of
  /// the frame about once.
  /// - Parameter lines: within `0 ..< destination.lineCount`.
  func run(lines: Range<Int>, into destination: PatchMatrix) {
    var arguments = arguments
    arguments.patches = destination.layout
    e3k_prepare_lines(
      &arguments, UInt32(truncatingIfNeeded: lines.lowerBound), UInt32(truncatingIfNeeded: lines.upperBound))
  }
}

/// Size of the resized image and the part of it that becomes the model's image.
private struct Geometry {
  var width: Int, height: Int
  var cropX = 0, cropY = 0
  var resample: UInt32

  init(frame: Frame, shape: ModelShape, resize: ResizeMethod) {
    guard resize == .smallCrop else {
      (width, height) = (shape.imageWidth, shape.imageHeight)
      resample = UInt32((resize == .stretch ? E3K_BILINEAR_BYTES : E3K_BILINEAR).rawValue)
      return
    }
    // As V-MoE's `resize_small`: both sides times one float32 ratio. The smaller side becomes `resize_height`, which the
    // format requires to be at least the model's image, so the crop lies inside.
    let ratio = Float(shape.config.resize_height) / Float(min(frame.width, frame.height))
    width = roundedHalfEven(Float(frame.width) * ratio)
    height = roundedHalfEven(Float(frame.height) * ratio)
    cropX = (width - shape.imageWidth) / 2
    cropY = (height - shape.imageHeight) / 2
    resample = UInt32(E3K_AREA.rawValue)
  }
}

/// `value`, not negative and below 2^31, rounded to the nearest integer, ties to even. Not `rounded()`: that is a call
/// into libm on CPUs without a rounding instruction.
private func roundedHalfEven(_ value: Float) -> Int {
  let whole = Int(value)
  let rest = value - Float(whole)
  return rest > 0.5 || (rest == 0.5 && whole & 1 == 1) ? whole + 1 : whole
}
