import CE3
import CE3Kernels
import E3Format

@testable import E3Runtime

/// A preprocessing recipe in short form.
struct Recipe {
  var height: Int, width: Int
  var channels = 3
  var resize = E3_FILE_RESIZE_STRETCH
  var side = 0
  /// Nil: mean 0 and deviation 1, which leaves the bytes as they are.
  var range: (low: Float, high: Float)?

  /// A small valid dense model with this recipe and the given patches.
  func shape(patchHeight: Int = 1, patchWidth: Int? = nil) throws -> ModelShape {
    var config = e3_file_config()
    (config.image_height, config.image_width) = (UInt32(height), UInt32(width))
    config.channels = UInt32(channels)
    (config.patch_height, config.patch_width) = (UInt32(patchHeight), UInt32(patchWidth ?? width))
    (config.hidden_size, config.layer_count, config.head_count, config.mlp_size) = (16, 1, 1, 16)
    config.class_count = 2
    config.member_count = 1
    (config.norm_epsilon, config.class_token) = (1e-6, 1)
    config.resize = UInt32(resize.rawValue)
    (config.resize_height, config.resize_width) = (UInt32(side), UInt32(side))
    if let range {
      (config.value_low, config.value_high) = range
    } else {
      config.value = UInt32(E3_FILE_VALUE_NORM.rawValue)
      config.value_deviation = channels == 3 ? (1, 1, 1) : (1, 0, 0)
    }
    return try ModelShape(validating: config)
  }
}

/// A frame with the bytes of its planes.
struct TestFrame {
  var format: Int
  var width: Int, height: Int
  var planes: [[UInt8]]
  var strides = [0, 0]

  /// Calls `body` with the frame as the C interface has it; `sizes` are those of the planes.
  func withFrame<Result>(_ body: (UnsafePointer<e3_frame>) throws -> Result) rethrows -> Result {
    try planes[0].withUnsafeBytes { first in
      try (planes.count > 1 ? planes[1] : []).withUnsafeBytes { second in
        var frame = e3_frame()
        frame.struct_size = UInt32(MemoryLayout<e3_frame>.size)
        frame.format = e3_pixel_format(format)
        (frame.width, frame.height) = (UInt32(width), UInt32(height))
        frame.planes = (first.baseAddress, planes.count > 1 ? second.baseAddress : nil)
        frame.strides = (strides[0], strides[1])
        frame.sizes = (first.count, second.count)
        return try body(&frame)
      }
    }
  }

  /// Red, green, blue bytes without padding.
  static func rgb(_ pixels: Array3<UInt8>) -> TestFrame {
    TestFrame(format: E3_PIXEL_RGB24, width: pixels.width, height: pixels.height, planes: [pixels.values])
  }

  /// Random content; lines of plane 0 and 1 carry `padding` extra bytes.
  static func random(
    _ format: Int, width: Int, height: Int, padding: Int = 0, using generator: inout some RandomNumberGenerator
  ) -> TestFrame {
    let bytesPerPixel = format == E3_PIXEL_RGB24 ? 3 : format == E3_PIXEL_YUYV ? 2 : 1
    let stride = width * bytesPerPixel + padding
    var planes = [(0..<stride * height).map { _ in UInt8.random(in: 0...255, using: &generator) }]
    if format == E3_PIXEL_NV12 {
      planes.append((0..<stride * height / 2).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
    return TestFrame(format: format, width: width, height: height, planes: planes, strides: [stride, stride])
  }
}

/// Prepares `frame` as a plain image.
func prepare(_ frame: TestFrame, _ recipe: Recipe) throws -> Array3<Float> {
  let shape = try recipe.shape()
  var values = [Float](repeating: .nan, count: shape.imageValues)
  try frame.withFrame { frame in
    let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape)
    values.withUnsafeMutableBufferPointer { values in
      let destination = PatchMatrix(image: shape, values: values.baseAddress!)
      preparation.run(lines: 0..<destination.lineCount, into: destination)
    }
  }
  return Array3(height: recipe.height, width: recipe.width, channels: recipe.channels, values: values)
}
