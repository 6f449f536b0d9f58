import E3Format

/// Size of the resized picture and the part of it that becomes the model's image.
struct ResizeGeometry {
  let frameWidth: Int, frameHeight: Int
  private(set) var width: Int, height: Int
  private(set) var cropX = 0, cropY = 0
  /// Whether Pillow resamples down before it does across.
  private(set) var isDownFirst = false

  init(frame: Frame, shape: ModelShape, resize: ResizeMethod) {
    (frameWidth, frameHeight) = (frame.width, frame.height)
    (width, height) = (shape.imageWidth, shape.imageHeight)
    switch resize {
    case .smallCrop: setSmallCrop(shape)
    case .pillow: setPillow(shape)
    default: break
    }
  }

  /// As V-MoE's `resize_small`: both sides times one float32 ratio. The smaller side becomes `resize_height`, which the
  /// format requires to be at least the model's image, so the crop lies inside.
  private mutating func setSmallCrop(_ shape: ModelShape) {
    let ratio = Float(shape.config.resize_height) / Float(min(frameWidth, frameHeight))
    width = roundedHalfEven(Double(Float(frameWidth) * ratio))
    height = roundedHalfEven(Double(Float(frameHeight) * ratio))
    cropX = (width - shape.imageWidth) / 2
    cropY = (height - shape.imageHeight) / 2
  }

  private mutating func setPillow(_ shape: ModelShape) {
    let (targetWidth, targetHeight) = (Int(shape.config.resize_width), Int(shape.config.resize_height))
    switch shape.resizeFit {
    case .shorter:
      // torchvision's Resize, Hugging Face's shortest_edge: int(S * longer / shorter).
      let longer = targetWidth * max(frameWidth, frameHeight) / min(frameWidth, frameHeight)
      (width, height) = frameWidth <= frameHeight ? (targetWidth, longer) : (longer, targetWidth)
    case .cover:
      // timm's ResizeKeepRatio, in double.
      let ratio = min(Double(frameHeight) / Double(targetHeight), Double(frameWidth) / Double(targetWidth))
      width = roundedHalfEven(Double(frameWidth) / ratio)
      height = roundedHalfEven(Double(frameHeight) / ratio)
    default:
      (width, height) = (targetWidth, targetHeight)
    }
    let isNarrow = height < frameHeight && frameHeight - height > 2 * (frameWidth - width)
    isDownFirst = shape.resizeOrder == .pillow13 && isNarrow
    cropX = centre(width - shape.imageWidth, shape.cropRounding)
    cropY = centre(height - shape.imageHeight, shape.cropRounding)
  }

  private func centre(_ rest: Int, _ rounding: CropRounding) -> Int {
    rounding == .down ? rest / 2 : roundedHalfEven(Double(rest) / 2)
  }
}

/// `value`, not negative and below 2^31, rounded to the nearest integer, ties to even. Not `rounded()`: that is a call
/// into libm on CPUs without a rounding instruction.
private func roundedHalfEven(_ value: Double) -> Int {
  let whole = Int(value)
  let rest = value - Double(whole)
  return rest > 0.5 || (rest == 0.5 && whole & 1 == 1) ? whole + 1 : whole
}
