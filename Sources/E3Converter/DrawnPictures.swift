import E3DataSets
import E3Host

/// Pictures for a converter that was given none: shapes of all sizes that hide each other, plain, mottled or striped, on a
/// mottled ground.
///
/// Natural pictures are such "dead leaves" as far as their statistics go (Lee, Mumford and Huang 2001, "Occlusion Models
/// for Natural Images"), and networks that only ever saw these learn features that serve for photographs (Baradad et al.
/// 2021, "Learning to See by Looking at Noise"). They make a network's rows vary as they do on photographs, which is all
/// that is asked of them here. The same numbers on every machine: sums, products and square roots only.
struct DrawnPictures {
  let height, width, channels: Int
  private var random: SplitMix64

  /// Pictures of `height` x `width` pixels.
  init(height: Int, width: Int, channels: Int) {
    (self.height, self.width, self.channels) = (height, width, channels)
    random = SplitMix64(state: 1)
  }

  private var side: Float { Float(max(height, width)) }

  /// The next picture.
  mutating func next() -> Picture {
    var pixels = mottles(deviation: uniform(20, 60))
    let ground = color(40, 215)
    for index in pixels.indices { pixels[index] += ground[index % 3] }
    let mottles = mottles(deviation: 1)
    for _ in 0..<(1 << Int(random.next() % 6)) { draw(Shape(&self), mottles, on: &pixels) }
    let bytes = pixels.map { UInt8(max(0, min(255, $0.rounded(.toNearestOrEven)))) }
    return Picture(height: height, width: width, channels: channels, pixels: channels == 3 ? bytes : grey(bytes))
  }

  /// A number from `low` to `high`.
  fileprivate mutating func uniform(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * (Float(random.next() >> 40) / Float(1 << 24))
  }

  fileprivate mutating func color(_ low: Float, _ high: Float) -> [Float] { (0..<3).map { _ in uniform(low, high) } }

  fileprivate mutating func chance(_ share: Float) -> Bool { uniform(0, 1) < share }

  /// Noise of all wavelengths, the short ones weaker: `[height][width][3]` of mean 0.
  private mutating func mottles(deviation: Float) -> [Float] {
    var values = [Float](repeating: 0, count: height * width * 3)
    let falloff = uniform(0.65, 1.15)
    var (cell, strength) = (max(height, width), Float(1))
    while cell > 0 {
      addNoise(cell: cell, strength: strength, to: &values)
      (cell, strength) = (cell / 2, strength * falloff)
    }
    let mean = values.reduce(0, +) / Float(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
    let factor = deviation / max(variance.squareRoot(), 1e-6)
    return values.map { ($0 - mean) * factor }
  }

  /// Random numbers on a grid of `cell` pixels, between which the pixels lie smoothly. The channels have half of their
  /// strength in common.
  private mutating func addNoise(cell: Int, strength: Float, to values: inout [Float]) {
    let (lines, columns) = (height / cell + 2, width / cell + 2)
    var grid = [Float](repeating: 0, count: lines * columns * 3)
    for point in 0..<lines * columns {
      let common = uniform(-1, 1)
      for channel in 0..<3 { grid[point * 3 + channel] = strength * (common + uniform(-0.5, 0.5)) }
    }
    func eased(_ place: Int) -> Float {
      let t = Float(place % cell) / Float(cell)
      return t * t * (3 - 2 * t)
    }
    for y in 0..<height {
      let down = eased(y)
      for x in 0..<width {
        let right = eased(x)
        let corner = (y / cell * columns + x / cell) * 3
        for channel in 0..<3 {
          let (a, b) = (grid[corner + channel], grid[corner + 3 + channel])
          let (c, d) = (grid[corner + columns * 3 + channel], grid[corner + columns * 3 + 3 + channel])
          let (above, below) = (a + (b - a) * right, c + (d - c) * right)
          values[(y * width + x) * 3 + channel] += above + (below - above) * down
        }
      }
    }
  }

  private func draw(_ shape: Shape, _ mottles: [Float], on pixels: inout [Float]) {
    for y in 0..<height {
      for x in 0..<width {
        guard let shade = shape.shade(x: Float(x), y: Float(y)) else { continue }
        let source = ((y + shape.shift) % height * width + (x + shape.shift) % width) * 3
        for channel in 0..<3 {
          pixels[(y * width + x) * 3 + channel] =
            shape.color[channel] + shade + shape.mottling * mottles[source + channel]
        }
      }
    }
  }

  private func grey(_ bytes: [UInt8]) -> [UInt8] {
    (0..<height * width).map { pixel in
      let (red, green, blue) = (Int(bytes[pixel * 3]), Int(bytes[pixel * 3 + 1]), Int(bytes[pixel * 3 + 2]))
      return UInt8((77 * red + 150 * green + 29 * blue) >> 8)
    }
  }

  /// An ellipse, a rectangle, a triangle or a band, turned by any angle.
  private struct Shape {
    let color: [Float]
    let mottling: Float
    /// Where in the mottles it begins.
    let shift: Int
    private let kind: UInt64
    private let centre, direction: (x: Float, y: Float)
    /// Half its length and breadth.
    private let length, breadth: Float
    /// Of stripes, in pixels; nil for none.
    private let wavelength: Float?

    init(_ pictures: inout DrawnPictures) {
      let side = pictures.side
      kind = pictures.random.next() % 4
      color = pictures.color(0, 255)
      mottling = pictures.uniform(0, 40)
      shift = Int(pictures.random.next() % 4096)
      centre = (pictures.uniform(0, Float(pictures.width)), pictures.uniform(0, Float(pictures.height)))
      // Small ones are many, as they are where things lie at all distances.
      length = side / 2 * min(0.8, 0.06 / pictures.uniform(0.05, 1))
      breadth = kind == 3 ? side / 2 * pictures.uniform(0.01, 0.08) : length * pictures.uniform(0.4, 1)
      var (x, y, square) = (Float(0), Float(0), Float(0))
      while square < 0.05 || square > 1 {
        (x, y) = (pictures.uniform(-1, 1), pictures.uniform(-1, 1))
        square = x * x + y * y
      }
      direction = (x / square.squareRoot(), y / square.squareRoot())
      wavelength = pictures.chance(0.3) ? pictures.uniform(4, max(5, side / 4)) : nil
    }

    /// What stripes add to the colour at a pixel; nil outside.
    func shade(x: Float, y: Float) -> Float? {
      let (right, down) = (x - centre.x, y - centre.y)
      let along = right * direction.x + down * direction.y
      let across = down * direction.x - right * direction.y
      let isInside =
        switch kind {
        case 0:
          along * along * breadth * breadth + across * across * length * length < length * length * breadth * breadth
        case 1: abs(along) < length && abs(across) < breadth
        case 2: abs(along) < length && across > -breadth && across < breadth - 2 * breadth * abs(along) / length
        default: abs(across) < breadth
        }
      guard isInside else { return nil }
      guard let wavelength else { return 0 }
      return (along / wavelength).rounded(.down).truncatingRemainder(dividingBy: 2) == 0 ? 40 : -40
    }
  }
}
