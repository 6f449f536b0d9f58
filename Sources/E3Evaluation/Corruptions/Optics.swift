import CE3JPEG
import E3DataSets
import E3Host
import Glibc

/// A rotation about the centre of a picture.
struct Turn {
  let cosine, sine: Double

  /// By the same angle to the other side.
  var reversed: Turn { Turn(cosine: cosine, sine: -sine) }

  /// 5, 10, 15, 20 and 30 degrees.
  static let severities = [
    Turn(cosine: 0.9961946980917455, sine: 0.08715574274765817),
    Turn(cosine: 0.984807753012208, sine: 0.17364817766693033),
    Turn(cosine: 0.9659258262890683, sine: 0.25881904510252074),
    Turn(cosine: 0.9396926207859084, sine: 0.3420201433256687),
    Turn(cosine: 0.8660254037844387, sine: 0.5),
  ]
}

extension Picture {
  /// The picture turned, bilinear; what comes from outside continues the edge.
  func turned(_ turn: Turn) -> Picture {
    var turned: [UInt8] = []
    turned.reserveCapacity(pixels.count)
    let (centreX, centreY) = (Double(width - 1) / 2, Double(height - 1) / 2)
    for y in 0..<height {
      for x in 0..<width {
        let (dx, dy) = (Double(x) - centreX, Double(y) - centreY)
        let sourceX = min(max(centreX + turn.cosine * dx + turn.sine * dy, 0), Double(width - 1))
        let sourceY = min(max(centreY - turn.sine * dx + turn.cosine * dy, 0), Double(height - 1))
        let (left, top) = (Int(sourceX), Int(sourceY))
        let (right, bottom) = (min(left + 1, width - 1), min(top + 1, height - 1))
        let (across, down) = (sourceX - Double(left), sourceY - Double(top))
        for channel in 0..<channels {
          func value(_ x: Int, _ y: Int) -> Double { Double(pixels[(y * width + x) * channels + channel]) }
          let upper = value(left, top) * (1 - across) + value(right, top) * across
          let lower = value(left, bottom) * (1 - across) + value(right, bottom) * across
          turned.append(byte(upper * (1 - down) + lower * down))
        }
      }
    }
    return Picture(height: height, width: width, channels: channels, pixels: turned)
  }

  /// Gaussian blur of `deviation` pixels, cut off at four deviations; the edges continue.
  func blurred(deviation: Double) -> Picture {
    let radius = Int((4 * deviation).rounded(.up))
    let weights = (-radius...radius).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
    let rows = (0..<height * channels).map { $0 / channels * width * channels + $0 % channels }
    let across = smoothed(pixels.map(Double.init), weights, lines: rows, length: width, step: channels)
    let columns = Array(0..<width * channels)
    let both = smoothed(across, weights, lines: columns, length: height, step: width * channels)
    return Picture(height: height, width: width, channels: channels, pixels: both.map(byte))
  }

  /// The picture encoded as JPEG and decoded again.
  ///
  /// - Throws: when there is no memory, or no JPEG of this size.
  func throughJPEG(quality: Int32) throws(FileError) -> Picture {
    let (columns, rows, planes) = (UInt32(width), UInt32(height), UInt32(channels))
    var jpeg = [UInt8](repeating: 0, count: e3j_bound(columns, rows, planes))
    let size = jpeg.isEmpty ? 0 : e3j_encode(pixels, columns, rows, planes, quality, &jpeg)
    guard size > 0 else {
      throw FileError(file: "JPEG corruption", problem: "a picture of \(width) x \(height) cannot be encoded")
    }
    return try jpeg[..<size].withUnsafeBytes { bytes in
      Result { () throws(FileError) in try decodePicture(bytes, path: "JPEG corruption") }
    }.get()
  }
}

/// Means of the values along an axis, weighted; what comes from outside continues the edge.
///
/// - Parameters:
///   - lines: where each line along the axis begins.
///   - length: values of a line.
///   - step: from one value of a line to the next.
private func smoothed(_ values: [Double], _ weights: [Double], lines: [Int], length: Int, step: Int) -> [Double] {
  let (radius, sum) = (weights.count / 2, weights.reduce(0, +))
  var (line, totals) = ([Double](repeating: 0, count: length + 2 * radius), [Double](repeating: 0, count: length))
  var result = values
  for start in lines {
    for place in line.indices { line[place] = values[start + min(max(place - radius, 0), length - 1) * step] }
    totals.withUnsafeMutableBufferPointer { totals in
      line.withUnsafeBufferPointer { line in
        totals.update(repeating: 0)
        // Weight by weight: each total is summed in the order of the weights, and a whole line at a time.
        for (offset, weight) in weights.enumerated() {
          for place in 0..<length { totals[place] += weight * line[place + offset] }
        }
      }
    }
    for place in 0..<length { result[start + place * step] = totals[place] / sum }
  }
  return result
}
