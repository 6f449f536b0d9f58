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
  /// With `resize` left as it is: Pillow's.
  var pillow: PillowRecipe?
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
    if let pillow {
      config.resize = UInt32(E3_FILE_RESIZE_PILLOW.rawValue)
      (config.resize_height, config.resize_width) = (UInt32(pillow.height), UInt32(pillow.width))
      (config.resize_fit, config.resize_filter) = (UInt32(pillow.fit.rawValue), UInt32(pillow.filter.rawValue))
      (config.resize_order, config.resize_crop) = (UInt32(pillow.order.rawValue), UInt32(pillow.crop.rawValue))
    }
    if let range {
      (config.value_low, config.value_high) = range
    } else {
      config.value = UInt32(E3_FILE_VALUE_NORM.rawValue)
      config.value_deviation = channels == 3 ? (1, 1, 1) : (1, 0, 0)
    }
    return try ModelShape(validating: config)
  }
}

/// A recipe of Pillow's resize and the centre crop.
struct PillowRecipe {
  var fit = E3_FILE_FIT_EXACT
  var height: Int, width: Int
  var filter = E3_FILE_FILTER_BILINEAR
  var order = E3_FILE_ORDER_PILLOW_13
  var crop = E3_FILE_CROP_DOWN
}

/// The tables of Pillow's resize, in memory of their own, for any number of frames.
final class TestTables {
  let tables: FilterTables
  private let memory: UnsafeMutableRawPointer

  /// Nil where the recipe needs none.
  init?(_ shape: ModelShape) {
    guard shape.resizeMethod == .pillow else { return nil }
    var counting = Arena()
    _ = FilterTables(shape, in: &counting)
    memory = .allocate(byteCount: counting.bytes, alignment: 64)
    var arena = Arena(memory, count: counting.bytes)
    tables = FilterTables(shape, in: &arena)
    precondition(!arena.overflowed)
    tables.clear()
  }

  deinit { memory.deallocate() }
}

/// The kernels of every tier that this CPU has; the scalar ones first, the fastest last.
nonisolated(unsafe) let allKernels: [Kernels] = {
  let notFinite = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
  notFinite.initialize(to: 0)
  return (UInt32(E3_ISA_SCALAR)...UInt32(E3_ISA_I8MM)).compactMap { isa in
    e3k_select(isa).map { Kernels(table: $0, notFinite: notFinite, expanded: nil) }
  }
}()

/// Prepares `frame` as a plain image.
///
/// - Parameter tables: to use the same ones for several frames.
func prepare(_ frame: TestFrame, _ recipe: Recipe, kernels: Kernels = allKernels.last!, tables: TestTables? = nil)
  throws
  -> Array3<Float>
{
  let shape = try recipe.shape()
  let tables = tables ?? TestTables(shape)
  var values = [Float](repeating: .nan, count: shape.imageValues)
  try frame.withFrame { frame in
    let preparation = FramePreparation(of: try Frame(validating: frame), shape: shape, tables: tables?.tables)
    values.withUnsafeMutableBufferPointer { values in
      let destination = PatchMatrix(image: shape, values: values.baseAddress!)
      preparation.run(lines: 0..<destination.lineCount, into: destination, kernels: kernels)
    }
  }
  return Array3(height: recipe.height, width: recipe.width, channels: recipe.channels, values: values)
}
