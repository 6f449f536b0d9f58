import CE3Kernels
import E3Format

/// Where the values of a prepared image go: the rows of the patch embedding, or a plain image.
///
/// Row `(y / patchHeight) * gridWidth + x / patchWidth` holds the patch of pixel (x, y), at offset `((y % patchHeight)
/// * patchWidth + x % patchWidth) * channels`. Pixels right of and below the last whole patch have no place and are
/// dropped, as the reference's VALID convolution does.
struct PatchMatrix {
  let layout: e3k_patches
  /// Lines of the model's image that have a place here.
  let lineCount: Int

  /// The rows [gridHeight * gridWidth][rowStride] that the first layer reads.
  ///
  /// - Parameter rowStride: floats from one row to the next, at least `shape.patchValueCount`; what lies between the two is
  ///   not written.
  init(shape: ModelShape, rows: UnsafeMutablePointer<Float>, rowStride: Int) {
    layout = e3k_patches(
      rows: rows, row_stride: rowStride, patch_height: shape.config.patch_height,
      patch_width: shape.config.patch_width, patch_columns: UInt32(truncatingIfNeeded: shape.gridWidth),
      channels: shape.config.channels)
    lineCount = shape.gridHeight * shape.patchHeight
  }

  /// A plain image [height][width][channels]: the patch matrix whose patches are whole lines.
  init(image shape: ModelShape, values: UnsafeMutablePointer<Float>) {
    layout = e3k_patches(
      rows: values, row_stride: shape.imageWidth * shape.channels, patch_height: 1,
      patch_width: shape.config.image_width, patch_columns: 1, channels: shape.config.channels)
    lineCount = shape.imageHeight
  }

  /// Copies the lines `lines` of a prepared image [height][width][channels] to their places.
  ///
  /// - Parameter lines: within `0 ..< lineCount`; threads may copy different lines at the same time.
  func place(_ values: UnsafePointer<Float>, shape: ModelShape, lines: Range<Int>) {
    withUnsafePointer(to: layout) { layout in
      e3k_place_lines(
        values, shape.config.image_width, layout, UInt32(truncatingIfNeeded: lines.lowerBound),
        UInt32(truncatingIfNeeded: lines.upperBound))
    }
  }
}

extension ModelShape {
  /// Whether ``Kernels/quantizePatches(_:shape:into:)`` can do without a patch matrix: patches leave nothing of the
  /// image over, and a line of a patch has a multiple of 16 values.
  var patchesTileImage: Bool {
    patchWidth * channels % 16 == 0 && gridWidth * patchWidth == imageWidth && gridHeight * patchHeight == imageHeight
  }
}

/// Whether none of the `count` values is a NaN or an infinity.
func allFinite(_ values: UnsafePointer<Float>, count: Int) -> Bool {
  e3k_all_finite(values, count) != 0
}
