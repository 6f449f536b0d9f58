import E3Host

/// Rows and columns of patches, or pixels.
public struct Grid: Equatable, Sendable {
  public var height, width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// The square grid of `count` cells; nil when `count` is no square.
  init?(square count: Int) {
    let side = Int(Double(max(0, count)).squareRoot())
    guard side > 0, side * side == count else { return nil }
    self.init(height: side, width: side)
  }

  var count: Int { height * width }

  func patches(of patch: Grid) -> Grid { Grid(height: height / patch.height, width: width / patch.width) }
}

extension ConfigResolver {
  /// The grid of patches that the checkpoint's position embedding was made for, how many vectors it has before them,
  /// and the size of the images in pixels.
  func positions(
    patch: Grid, prefix: (hasClassToken: Bool, registers: Int), notes: inout [String]
  ) throws(FileError) -> (source: Grid, prefix: Int, image: Grid) {
    let given = document.imageSize.map { Grid(height: $0[0], width: $0[1]) }
    let wanted = options.imageSize.map { Grid(height: $0.height, width: $0.width) }
    for (image, field) in [(given, document.names.imageSize), (wanted, "--image-size")] {
      guard let image else { continue }
      let isValid =
        image.height >= patch.height && image.width >= patch.width
        && max(image.height, image.width) <= ConfigDocument.sideLimit
      guard isValid else {
        throw FileError(
          file: document.file,
          problem: "\(field) is \(image.height)x\(image.width), expected at least one patch of "
            + "\(patch.height)x\(patch.width) and at most \(ConfigDocument.sideLimit) pixels")
      }
    }
    let (source, leading) = try sourceGrid(
      given: given, wanted: wanted, patch: patch, prefix: prefix, notes: &notes)
    let image =
      wanted ?? document.runSize ?? given
      ?? Grid(height: source.height * patch.height, width: source.width * patch.width)
    guard max(image.height, image.width) <= ConfigDocument.sideLimit else {
      throw FileError(
        file: document.file,
        problem: "images of \(image.height)x\(image.width), expected at most \(ConfigDocument.sideLimit)")
    }
    let isWhole = image.height.isMultiple(of: patch.height) && image.width.isMultiple(of: patch.width)
    guard isWhole || !document.padsImages else {
      throw FileError(
        file: document.file,
        problem: "dynamic_img_pad is true, but images of \(image.height)x\(image.width) are not padded to patches of "
          + "\(patch.height)x\(patch.width) here: --image-size takes multiples of them")
    }
    return (source, leading, image)
  }

  private func sourceGrid(
    given: Grid?, wanted: Grid?, patch: Grid, prefix: (hasClassToken: Bool, registers: Int), notes: inout [String]
  ) throws(FileError) -> (Grid, Int) {
    let name = ParameterNames.positionEmbedding
    let field = document.names.imageSize
    let all = (prefix.hasClassToken ? 1 : 0) + prefix.registers
    guard let evidence, isLearned else {
      guard let image = given ?? wanted else {
        throw FileError(
          file: document.file, problem: "\(field) is missing and nothing tells it: give --image-size")
      }
      return (image.patches(of: patch), all)
    }
    let rows = try evidence.extent(of: name, axes: ["1", "tokens", "hidden"], axis: 1)
    // Other libraries leave out the registers, or the class token too.
    let isFlax = evidence.checkpoint.naming.map { $0 == .vmoe || $0 == .bigVision } ?? true
    var choices = [all]
    if !isFlax {
      for count in [prefix.hasClassToken ? 1 : 0, 0] where !choices.contains(count) { choices.append(count) }
    }
    if let grid = given?.patches(of: patch) {
      guard let leading = choices.first(where: { rows - $0 == grid.count }) else {
        throw evidence.checkpoint.misfit(
          name,
          "\(counted(rows, "token")), expected \(grid.count + all) for \(field) in \(document.file); "
            + "give the checkpoint's own size there and --image-size to resize")
      }
      return (grid, leading)
    }
    // The size that the user says, where it takes just these positions, before a square that they may be, too.
    if let grid = wanted?.patches(of: patch), let leading = choices.first(where: { rows - $0 == grid.count }) {
      return (grid, leading)
    }
    let squares = choices.compactMap { leading in Grid(square: rows - leading).map { ($0, leading) } }
    if squares.count == 1 {
      let (grid, leading) = squares[0]
      if prefix.hasClassToken, leading == 0 {
        notes.append(
          "\(evidence.checkpoint.path): nothing tells the image size: \(rows) positions are taken for those of "
            + "\(grid.height)x\(grid.width) patches, \(grid.height * patch.height)x\(grid.width * patch.width) pixels, "
            + "without the class token's; --image-size says otherwise")
      }
      return (grid, leading)
    }
    let (lost, count) = (ParameterNames.classToken, rows - all - 1)
    let hint =
      !prefix.hasClassToken && Grid(square: count) != nil
      ? ", but \(count) are, and \(evidence.checkpoint.fileName(of: lost)) may be lost" : ""
    let table = "\(evidence.checkpoint.fileName(of: name)) \(evidence.checkpoint.shape(of: name) ?? [])"
    let missing = document.isThere ? "\(field) is missing" : "nothing tells the size of the images"
    throw FileError(
      file: document.file,
      problem: squares.isEmpty
        ? "\(missing), and the \(rows - all) patches of \(table) are no square\(hint): give --image-size HxW"
        : "\(missing), and the \(rows) positions of \(table) may be those of several: give --image-size HxW")
  }

  private var isLearned: Bool { positionEmbedding == .learned }
}
