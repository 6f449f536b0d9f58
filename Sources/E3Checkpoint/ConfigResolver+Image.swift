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
    let side = Int(Double(count).squareRoot())
    guard side > 0, side * side == count else { return nil }
    self.init(height: side, width: side)
  }

  var count: Int { height * width }

  func patches(of patch: Grid) -> Grid { Grid(height: height / patch.height, width: width / patch.width) }
}

extension ConfigResolver {
  /// The grid of patches that the checkpoint's position embedding was made for, and the size of the images in pixels.
  func grids(patch: Grid, classifier: ModelConfig.Classifier) throws(FileError) -> (source: Grid, image: Grid) {
    let given = document.imageSize.map { Grid(height: $0[0], width: $0[1]) }
    let wanted = options.imageSize.map { Grid(height: $0.height, width: $0.width) }
    for (image, field) in [(given, "image_size"), (wanted, "--image-size")] {
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
    let source = try sourceGrid(given: given, wanted: wanted, patch: patch, classifier: classifier)
    let image = wanted ?? given ?? Grid(height: source.height * patch.height, width: source.width * patch.width)
    guard max(image.height, image.width) <= ConfigDocument.sideLimit else {
      throw FileError(
        file: document.file,
        problem: "images of \(image.height)x\(image.width), expected at most \(ConfigDocument.sideLimit)")
    }
    return (source, image)
  }

  private func sourceGrid(given: Grid?, wanted: Grid?, patch: Grid, classifier: ModelConfig.Classifier)
    throws(FileError) -> Grid
  {
    let name = ParameterNames.positionEmbedding
    guard let evidence, isLearned else {
      guard let image = given ?? wanted else {
        throw FileError(
          file: document.file, problem: "image_size is missing and nothing tells it: give --image-size")
      }
      return image.patches(of: patch)
    }
    let tokens = try evidence.extent(of: name, axes: ["1", "tokens", "hidden"], axis: 1)
    let patches = tokens - (classifier == .token ? 1 : 0)
    if let grid = given?.patches(of: patch) {
      guard grid.count == patches else {
        throw FileError(
          file: evidence.checkpoint.path, tensor: name,
          problem: "\(tokens) tokens, expected \(grid.count + tokens - patches) for image_size in \(document.file); "
            + "give the checkpoint's own size there and --image-size to resize")
      }
      return grid
    }
    if let grid = Grid(square: patches) { return grid }
    if let grid = wanted?.patches(of: patch), grid.count == patches { return grid }
    throw FileError(
      file: document.file, problem: "image_size is missing and \(patches) patches are no square: give it")
  }

  private var isLearned: Bool {
    document.isEnsemble || document.positionEmbedding == nil || document.positionEmbedding == .learned
  }
}
