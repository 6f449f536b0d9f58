import CE3Pictures
import E3Host

/// The extents that all images of an array have.
struct ImageSize: Sendable {
  let height, width, channels: Int

  /// Largest side of an image, as the runtime has it for frames.
  private static let sideLimit = Int(E3P_MAX_SIDE)

  /// Takes the shape of an array of images, `[N][height][width]` or `[N][height][width][1 or 3]`.
  ///
  /// - Throws: another shape, no image, sides that no image has.
  init(shape: [Int], path: String) throws(FileError) {
    let isShape = shape.count == 3 || shape.count == 4 && (shape[3] == 1 || shape[3] == 3)
    guard isShape else {
      throw FileError(
        file: path, problem: "shape \(shape), expected [N, height, width] or [N, height, width, 1 or 3]")
    }
    guard shape[0] > 0 else { throw FileError(file: path, problem: "no images") }
    guard (1...Self.sideLimit).contains(shape[1]), (1...Self.sideLimit).contains(shape[2]) else {
      throw FileError(file: path, problem: "images of \(shape[1]) x \(shape[2]), expected 1 to \(Self.sideLimit)")
    }
    (height, width, channels) = (shape[1], shape[2], shape.count == 4 ? shape[3] : 1)
  }

  /// Values of an image.
  var values: Int { height * width * channels }

  /// Holds compressed images to what memory there is for them: 64 bytes for each compressed one and 16 MiB. An image
  /// counts as 64 bytes at least, as its label and its answer are kept too.
  ///
  /// - Throws: more than that.
  func requireRoom(for count: Int, compressed: Int, path: String) throws(FileError) {
    let (least, room) = (64, 64 * compressed + 16 << 20)
    guard count > room / max(values, least) else { return }
    throw FileError(
      file: path,
      problem: "\(counted(count, "image")) of \(counted(values, "byte")) from \(compressed) compressed bytes are more "
        + "than is held in memory: decompress the file first (gunzip)")
  }

  func picture(_ pixels: [UInt8]) -> Picture {
    Picture(height: height, width: width, channels: channels, pixels: pixels)
  }
}
