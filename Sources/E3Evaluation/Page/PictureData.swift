import CE3JPEG
import E3DataSets
import E3Host

extension Picture {
  /// Longest side of a picture on a page.
  private static let pageSide = 128
  /// Up to this side a picture is shown as it is, pixel by pixel.
  private static let exactSide = 64

  /// Whether the page shows the very pixels.
  var isShownExactly: Bool { max(height, width) <= Self.exactSide }

  /// The picture as the address of an image that a page holds itself: small ones as PNG, the others scaled down, as
  /// JPEG.
  ///
  /// - Throws: when there is no memory.
  func dataAddress() throws(FileError) -> HTML {
    if isShownExactly {
      let png = pngFile(width: width, height: height, channels: channels, values: pixels)
      return HTML(trusted: "data:image/png;base64,\(base64(png))")
    }
    let small = scaledDown(toFit: Self.pageSide)
    let (columns, rows, planes) = (UInt32(small.width), UInt32(small.height), UInt32(channels))
    var jpeg = [UInt8](repeating: 0, count: e3j_bound(columns, rows, planes))
    let size = e3j_encode(small.pixels, columns, rows, planes, 80, &jpeg)
    guard size > 0 else { throw FileError(file: "page", problem: "no memory for a picture") }
    return HTML(trusted: "data:image/jpeg;base64,\(base64(Array(jpeg[..<size])))")
  }

  /// The picture with no side above `side`: every pixel is the mean of those that it covers, whole ones only.
  func scaledDown(toFit side: Int) -> Picture {
    let longest = max(height, width)
    guard longest > side else { return self }
    let (rows, columns) = (max(1, height * side / longest), max(1, width * side / longest))
    var small: [UInt8] = []
    small.reserveCapacity(rows * columns * channels)
    for row in 0..<rows {
      let lines = row * height / rows..<max((row + 1) * height / rows, row * height / rows + 1)
      for column in 0..<columns {
        let places = column * width / columns..<max((column + 1) * width / columns, column * width / columns + 1)
        for channel in 0..<channels {
          var sum = 0
          for y in lines {
            for x in places { sum += Int(pixels[(y * width + x) * channels + channel]) }
          }
          let count = lines.count * places.count
          small.append(UInt8((sum + count / 2) / count))
        }
      }
    }
    return Picture(height: rows, width: columns, channels: channels, pixels: small)
  }
}

/// A PNG file of 8 bits a value.
///
/// - Parameters:
///   - channels: 1 (grey, or numbers of colours) or 3.
///   - values: `[height][width][channels]`
///   - palette: red, green and blue of each colour that `values` number; nil: they are pixels.
///   - alpha: of every colour of the palette.
func pngFile(
  width: Int, height: Int, channels: Int, values: [UInt8], palette: [UInt8]? = nil, alpha: UInt8 = 255
) -> [UInt8] {
  func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
  func chunk(_ name: String, _ contents: [UInt8]) -> [UInt8] {
    let checked = Array(name.utf8) + contents
    return number(UInt32(contents.count)) + checked + number(crc32(of: checked))
  }
  let kind: UInt8 = palette != nil ? 3 : channels == 3 ? 2 : 0
  let length = width * channels
  var lines: [UInt8] = []
  for row in 0..<height {
    lines.append(0)  // The line's filter: none.
    lines += values[row * length..<(row + 1) * length]
  }
  var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  file += chunk("IHDR", number(UInt32(width)) + number(UInt32(height)) + [8, kind, 0, 0, 0])
  if let palette {
    file += chunk("PLTE", palette) + chunk("tRNS", [UInt8](repeating: alpha, count: palette.count / 3))
  }
  return file + chunk("IDAT", zlibStream(of: lines)) + chunk("IEND", [])
}

/// RFC 4648, with padding.
func base64(_ bytes: [UInt8]) -> String {
  let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var text: [UInt8] = []
  text.reserveCapacity((bytes.count + 2) / 3 * 4)
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    let bits = group.reduce(0) { sum, byte in sum << 8 | Int(byte) } << (8 * (3 - group.count))
    for place in 0..<4 {
      text.append(place <= group.count ? digits[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
    }
  }
  return String(decoding: text, as: UTF8.self)
}
