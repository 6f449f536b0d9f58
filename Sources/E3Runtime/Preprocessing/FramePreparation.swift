import CE3
import CE3Kernels
import E3Format

/// The preprocessing recipe of a model, applied to one frame.
///
/// Resampling and value range are those of the reference (V-MoE `resize`, `resize_small` + `central_crop`,
/// `value_range`; vit_jax), in float32 and in one fixed order of operations, or Pillow's, in its integers, so that
/// every CPU and any division of the lines among threads gives the same bits. Pixels are converted where they are
/// fetched.
///
/// Use: check the frame, then let every thread prepare its share of `0 ..< destination.lineCount`:
///
///     let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape, tables: space.filterTables)
///     let destination = PatchMatrix(shape: shape, rows: rows, rowStride: stride)
///     preparation.run(lines: first..<last, into: destination, kernels: kernels)
struct FramePreparation {
  private var arguments: e3k_prepare

  /// The model's own recipe for a camera frame.
  ///
  /// - Parameter tables: those of the model's shape; needed where the recipe is Pillow's.
  init(of frame: Frame, shape: ModelShape, tables: FilterTables?) {
    self.init(frame: frame, shape: shape, resize: shape.resizeMethod, tables: tables)
  }

  /// The model's golden input: pixels that already have the size of the model's image, so only the value range applies.
  init(goldenPixels: UnsafePointer<UInt8>, shape: ModelShape) {
    // A stretch to the same size takes every pixel as it is.
    self.init(frame: Frame(pixels: goldenPixels, shape: shape), shape: shape, resize: .stretch, tables: nil)
  }

  private init(frame: Frame, shape: ModelShape, resize: ResizeMethod, tables: FilterTables?) {
    let geometry = ResizeGeometry(frame: frame, shape: shape, resize: resize)
    let config = shape.config
    arguments = e3k_prepare()
    arguments.image = frame.image
    arguments.resample = UInt32(resize.resample.rawValue)
    arguments.scale_x = Float(frame.width) / Float(geometry.width)
    arguments.scale_y = Float(frame.height) / Float(geometry.height)
    arguments.crop_x = UInt32(truncatingIfNeeded: geometry.cropX)
    arguments.crop_y = UInt32(truncatingIfNeeded: geometry.cropY)
    if resize == .pillow, let tables {
      (arguments.columns, arguments.lines) = tables.fill(geometry)
      arguments.down_first = geometry.isDownFirst ? 1 : 0
    }
    arguments.normalize = shape.valueMapping == .norm ? 1 : 0
    arguments.low = config.value_low
    arguments.span = config.value_high - config.value_low
    arguments.mean = config.value_mean
    arguments.deviation = config.value_deviation
  }

  /// Prepares the lines `lines` of the model's image.
  ///
  /// Cost: bilinear reads four pixels for each pixel of the model's image; the others read every pixel of the cropped
  /// part of the frame about once.
  /// - Parameter lines: within `0 ..< destination.lineCount`.
  func run(lines: Range<Int>, into destination: PatchMatrix, kernels: Kernels) {
    var arguments = arguments
    arguments.patches = destination.layout
    kernels.table.pointee.prepare_lines(
      &arguments, UInt32(truncatingIfNeeded: lines.lowerBound), UInt32(truncatingIfNeeded: lines.upperBound))
  }
}

extension ResizeMethod {
  fileprivate var resample: e3k_resample {
    switch self {
    case .smallCrop: E3K_AREA
    case .stretchFloat: E3K_BILINEAR
    case .pillow: E3K_FILTER
    default: E3K_BILINEAR_BYTES
    }
  }
}
