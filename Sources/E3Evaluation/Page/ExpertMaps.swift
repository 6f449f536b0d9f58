import E3
import E3DataSets
import E3Format
import E3Host
import E3Models

/// Which expert each member's routers sent the patches of one picture to, as pictures to lay over it.
struct ExpertMaps {
  /// One router of one member.
  private struct Map {
    let block, member: Int
    /// `[tokens][K]` of the member's experts, the largest gate first.
    let experts: [Int]
    let tokenCount: Int
  }

  /// The routers of one network.
  private struct Network {
    let shape: ModelShape
    /// Beside others.
    let name: String
    let view: Picture
    var maps: [Map] = []
  }

  private var networks: [Network] = []

  /// Runs the model on the image once more.
  ///
  /// - Parameter session: one that records routing.
  init(
    of image: DataSetImage, name: String, _ session: inout ModelSession
  ) throws(FileError) {
    let prepared = try session.prepared(image, name: name)
    let all = session.model.networks
    networks = all.map { view in
      Network(
        shape: view.shape, name: all.count > 1 ? "network \(view.network), " : "",
        view: view.shape.patchedPart(of: prepared))
    }
    _ = try session.run(image, name: name)
    for layer in 0..<all.reduce(0, { $0 + $1.shape.moeBlockCount }) {
      let routing = try session.routing(layer: layer)
      let (perMember, tokens) = (routing.memberExperts, routing.tokenCount)
      let experts = routing.experts.withUnsafeBufferPointer { $0.map { Int($0) } }
      let values = tokens * routing.selectedExperts
      for member in 0..<routing.memberCount {
        networks[routing.network].maps.append(
          Map(
            block: routing.block, member: member,
            experts: experts[member * values..<(member + 1) * values].map { $0 - member * perMember },
            tokenCount: tokens))
      }
    }
  }

  /// The maps, one for each block and member, over what the network sees, in grey.
  func html() throws(FileError) -> HTML {
    var parts: [HTML] = []
    for network in networks where !network.maps.isEmpty { parts.append(try html(of: network)) }
    return "\(parts)"
  }

  private func html(of network: Network) throws(FileError) -> HTML {
    let (shape, view) = (network.shape, network.view)
    let parts = network.maps.map { map -> HTML in
      let title: HTML = "\(network.name)block \(map.block)\(shape.memberCount > 1 ? ", member \(map.member + 1)" : "")"
      guard map.tokenCount == shape.tokenCount else {
        let chosen = map.experts.map { String(map.member * shape.expertsPerMember + $0) }.joined(separator: ", ")
        return "<span><i class=\"none\"></i>\(title): first token only, expert \(chosen)</span>"
      }
      return "<span><img alt=\"\" src=\"\(address(of: map, shape))\"/>\(title)</span>"
    }
    let ratio = "\(view.width) / \(view.height)"
    return """
      <div class="maps" style="--view:url(\(try view.dataAddress()));--ratio:\(ratio)">\(parts)</div>
      """
  }

  /// One pixel for each patch, or K beside each other: the experts' colours, which let the picture through.
  private func address(of map: Map, _ shape: ModelShape) -> HTML {
    let selected = shape.selectedExperts
    let patches = map.experts[(shape.prefixCount * selected)...].map { UInt8(truncatingIfNeeded: $0) }
    let png = pngFile(
      width: shape.gridWidth * selected, height: shape.gridHeight, channels: 1, values: patches,
      palette: ExpertColours.palette(shape.expertsPerMember), alpha: 150)
    return HTML(trusted: "data:image/png;base64,\(base64(png))")
  }
}

/// A colour for each expert of a member.
enum ExpertColours {
  /// Red, green and blue of `count` experts, at most 256: PNG has no more colours, and people tell fewer apart.
  static func palette(_ count: Int) -> [UInt8] {
    (0..<min(count, 256)).flatMap { colour($0, of: count) }
  }

  /// As CSS has it.
  static func css(_ index: Int, of count: Int) -> String {
    "rgb(\(colour(index % 256, of: count).map { String($0) }.joined(separator: ",")))"
  }

  /// Okabe and Ito's for up to eight; hues at equal distances with three brightnesses for more.
  private static func colour(_ index: Int, of count: Int) -> [UInt8] {
    let few: [[UInt8]] = [
      [0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66],
      [60, 60, 60],
    ]
    if count <= few.count { return few[index] }
    let hue = 6 * Double(index) / Double(min(count, 256))
    let value = [235.0, 175, 120][index % 3]
    return [5.0, 3, 1].map { offset in
      let place = (offset + hue).truncatingRemainder(dividingBy: 6)
      return UInt8(value * (1 - 0.85 * max(0, min(place, 4 - place, 1))))
    }
  }
}

extension ModelShape {
  /// What the network sees as a grey picture, without the edges that no patch covers, and lightened: colours do not
  /// show on black.
  func patchedPart(of values: [Float]) -> Picture {
    let whole = picture(of: values)
    let (rows, columns) = (gridHeight * patchHeight, gridWidth * patchWidth)
    var grey: [UInt8] = []
    for y in 0..<rows {
      for x in 0..<columns {
        let start = (y * imageWidth + x) * channels
        let sum = whole.pixels[start..<start + channels].reduce(0) { $0 + Int($1) }
        grey.append(UInt8(80 + sum * 175 / (255 * channels)))
      }
    }
    return Picture(height: rows, width: columns, channels: 1, pixels: grey).scaledDown(toFit: 96)
  }

  /// Prepared values `[height][width][channels]` as the bytes that they were made of.
  func picture(of values: [Float]) -> Picture {
    let (low, high) = (config.value_low, config.value_high)
    let (mean, deviation) = (config.value_mean, config.value_deviation)
    let means = [mean.0, mean.1, mean.2]
    let deviations = [deviation.0, deviation.1, deviation.2]
    let pixels = values.enumerated().map { place, value -> UInt8 in
      let channel = place % channels
      let byte =
        valueMapping == .norm ? value * deviations[channel] + means[channel] : (value - low) / (high - low) * 255
      return UInt8(min(max(byte.rounded(), 0), 255))
    }
    return Picture(height: imageHeight, width: imageWidth, channels: channels, pixels: pixels)
  }
}
