import CE3
import CE3Board

/// How the raw frames of a camera lie in its buffers.
struct CameraLayout {
  private let format: StreamFormat
  /// Bytes from one line to the next, where every plane has memory of its own; nil: they lie one behind the other.
  private let strides: (Int, Int, Int)?

  /// What the camera settled on.
  init(_ picture: e3c_camera_picture) {
    let pixels = StreamPixels(format: Int(picture.format))
    var format = StreamFormat(pixels: pixels, width: Int(picture.width), height: Int(picture.height))
    format.setStride(Int(picture.stride))
    format.planeHeight = Int(picture.plane_height)
    format.range = Int(picture.range)
    if picture.matrix != 0 { format.matrix = Int(picture.matrix) }
    self.format = format
    let strides = picture.strides
    self.strides = picture.memories > 1 ? (Int(strides.0), Int(strides.1), Int(strides.2)) : nil
  }

  /// The frame in a buffer, which is as long as `e3c_camera_picture` needs.
  func frame(_ buffer: e3c_camera_frame) -> e3_frame {
    var frame = format.frame(UnsafeRawPointer(buffer.planes.0!))
    guard let strides else { return frame }
    frame.planes = (UnsafeRawPointer(buffer.planes.0), UnsafeRawPointer(buffer.planes.1))
    frame.third_plane = UnsafeRawPointer(buffer.planes.2)
    (frame.strides, frame.third_stride) = ((strides.0, strides.1), strides.2)
    (frame.sizes, frame.third_size) = ((buffer.sizes.0, buffer.sizes.1), buffer.sizes.2)
    return frame
  }
}
