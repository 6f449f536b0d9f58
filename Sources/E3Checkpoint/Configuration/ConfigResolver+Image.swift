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
    if let checkpoint = evidence?.checkpoint, checkpoint.naming == .bigVision, isLearned, given != nil || wanted != nil,
      prefix.hasClassToken, leading == 0
    {
      notes.append("\(checkpoint.path): the class token has no position, as with big_vision's pool_type tok")
    }
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
    if !isWhole, wanted != nil {
      notes.append(
        "--image-size \(image.height)x\(image.width) is no multiple of the patches of "
          + "\(patch.height)x\(patch.width): the pixels below and to the right of the last whole patch are not looked at"
      )
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
    let choices = positionChoices(evidence.checkpoint.facts, prefix)
    // A class token that is lost leaves its position behind.
    let without = rows - (positionChoices(evidence.checkpoint.facts, (true, prefix.registers)).first ?? 0)
    let lost = "\(evidence.checkpoint.fileName(of: ParameterNames.classToken)) may be lost"
    let mayBeLost = !prefix.hasClassToken && document.hasClassToken == nil && without < rows
    func misfit(_ grid: Grid, _ source: String, _ advice: String) -> FileError {
      let leading = choices.first ?? 0
      let isOther = [all, prefix.hasClassToken ? 1 : 0, 0].contains { rows - $0 == grid.count }
      var expected = "\(grid.count + leading) for \(source)"
      if isOther || all != leading {
        expected =
          "\(grid.count + leading): \(grid.count) for \(source) and \(leading) for the "
          + "\(counted(all, "token")) before the patches"
        if let given = document.positionsPrefix { expected += ", as \(given.reason)" }
      }
      let next = mayBeLost && without == grid.count ? "; \(lost)" : isOther ? "" : advice
      return evidence.checkpoint.misfit(name, "\(counted(rows, "token")), expected \(expected)\(next)")
    }
    if let grid = given?.patches(of: patch) {
      guard let leading = choices.first(where: { rows - $0 == grid.count }) else {
        throw misfit(
          grid, "\(field) in \(document.file)",
          "; give the checkpoint's own size there and --image-size to resize")
      }
      return (grid, leading)
    }
    // The size that the user says, where it takes just these positions, before a square that they may be, too.
    if let grid = wanted?.patches(of: patch), let leading = choices.first(where: { rows - $0 == grid.count }) {
      return (grid, leading)
    }
    if let grid = wanted?.patches(of: patch), mayBeLost, without == grid.count {
      throw misfit(grid, "--image-size", "")
    }
    let squares = choices.compactMap { leading in Grid(square: rows - leading).map { ($0, leading) } }
    if let grid = Grid(square: without), mayBeLost, let (other, _) = squares.first {
      throw evidence.checkpoint.misfit(
        name,
        "\(counted(rows, "token")), which may be \(other.height)x\(other.width) patches, or \(grid.height)x\(grid.width), "
          + "\(counted(prefix.registers, "register")) and a class token, as \(lost): give --image-size HxW")
    }
    if squares.count == 1 {
      let (grid, leading) = squares[0]
      // Several sizes may have as many patches.
      let bare = prefix.hasClassToken && leading == 0 ? ", without the class token's" : ""
      let next =
        wanted.map { "; they are resized to --image-size \($0.height)x\($0.width)" }
        ?? "; --image-size says otherwise"
      notes.append(
        "\(evidence.checkpoint.path): nothing tells the image size: \(rows - leading) positions are taken for those of "
          + "\(grid.height)x\(grid.width) patches, \(grid.height * patch.height)x\(grid.width * patch.width) pixels"
          + bare + next)
      return (grid, leading)
    }
    let leading = choices.first ?? 0
    let hint = mayBeLost && Grid(square: without) != nil ? ", but \(without) are, and \(lost)" : ""
    let table = "\(evidence.checkpoint.fileName(of: name)) \(evidence.checkpoint.shape(of: name) ?? [])"
    let missing = document.isThere ? "\(field) is missing" : "nothing tells the size of the images"
    let asked = wanted?.patches(of: patch)
    var problem = "\(missing), and the \(rows) positions of \(table) may be those of several: give --image-size HxW"
    if squares.isEmpty, prefix.hasClassToken, !evidence.has(ParameterNames.classToken), document.classifier == nil,
      let grid = asked ?? Grid(square: rows), grid.count == rows
    {
      problem =
        "\(table) has the positions of \(grid.height)x\(grid.width) patches and none for a class token, and "
        + "\(evidence.checkpoint.fileName(of: ParameterNames.classToken)) is not there: where the model has none, as "
        + "I-JEPA, give --config with {\"classifier\": \"gap\"}, else it is lost"
    } else if squares.isEmpty {
      let other = asked.map { ", nor those of --image-size, \($0.height)x\($0.width)" } ?? ""
      let next =
        asked == nil
        ? "give --image-size HxW"
        : "give --config with {\"image_size\": [H, W]} of the training, and --image-size for another one"
      problem = "\(missing), and the \(rows - leading) patches of \(table) are no square\(hint)\(other): \(next)"
    }
    throw FileError(file: document.file, problem: problem)
  }

  /// How many positions may stand before the patches': where the configuration does not say it, what the names allow.
  private func positionChoices(_ facts: NamingFacts, _ prefix: (hasClassToken: Bool, registers: Int)) -> [Int] {
    var ways = facts.positionedTokens
    if let given = document.positionsPrefix, given.isThere || ways.contains(.all) {
      ways = [given.isThere ? .all : .none]
    }
    var choices: [Int] = []
    for way in ways {
      let count =
        switch way {
        case .all: (prefix.hasClassToken ? 1 : 0) + prefix.registers
        case .classToken: prefix.hasClassToken ? 1 : 0
        case .none: 0
        }
      if !choices.contains(count) { choices.append(count) }
    }
    return choices
  }

  private var isLearned: Bool { positionEmbedding == .learned }
}
