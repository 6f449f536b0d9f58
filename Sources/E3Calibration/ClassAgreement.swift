import E3
import E3DataSets
import E3Host
import E3Models

/// How alike the features of two images of one class are: what a learned class of few pictures is expected to keep.
/// CLASSES.md, "Learning".
struct ClassAgreement {
  /// Cells on a side of the grid that learned classes compare; 0 when nothing could be fitted.
  let grid: UInt32
  /// Mean cosine between two images of a class, with grids of 1, 2 and 4; 0 when nothing could be fitted.
  let values: (Float, Float, Float)

  /// Images of a class that are looked at: their pairs say enough.
  private static let imagesPerClass = 40
  /// Classes that are looked at, of the first ones.
  private static let mostClasses = 200
  /// Kinds of foreign images that tell more of a new class than the model's own classes do.
  private static let fewestKinds = 3
  /// The finest grid is taken that keeps this share of the coarsest one's agreement. Where things lie anyhow in the
  /// picture, a fine grid loses most of it.
  private static let keptShare: Float = 0.75

  /// Learns classes as if they were new.
  ///
  /// - Parameters:
  ///   - known: Images of the model's classes.
  ///   - foreign: Images of other kinds. They are new indeed, and agree less than those that the model was trained to
  ///     tell apart: from ``fewestKinds`` kinds on they are asked instead.
  ///   - model: has statistics.
  init(of known: LabelledImages, foreign: [LabelledImages], model: MappedModel) throws(FileError) {
    let kinds = foreign.map { (images: $0, places: Self.places($0)) }
    let isEnough = kinds.reduce(0) { $0 + $1.places.values.count { $0.count > 1 } } >= Self.fewestKinds
    let parts = isEnough ? kinds : [(known, Self.places(known))]
    var found: [Float] = []
    for grid in [1, 2, 4] {
      guard let mean = try Self.agreement(of: parts, model, grid: grid) else { break }
      found.append(mean)
    }
    guard found.count == 3, found.allSatisfy({ $0 > 0 }) else {
      (grid, values) = (0, (0, 0, 0))
      return
    }
    values = (found[0], found[1], found[2])
    grid = found[2] >= Self.keptShare * found[0] ? 4 : found[1] >= Self.keptShare * found[0] ? 2 : 1
  }

  /// The images of each class that are looked at.
  private static func places(_ images: LabelledImages) -> [Int: [Int]] {
    var places: [Int: [Int]] = [:]
    for (place, label) in images.classes.enumerated() where label < mostClasses {
      if places[label, default: []].count < imagesPerClass { places[label, default: []].append(place) }
    }
    return places
  }

  /// Mean over the classes; nil where no class has two images, or the features are too many.
  private static func agreement(
    of parts: [(images: LabelledImages, places: [Int: [Int]])], _ model: MappedModel, grid: Int
  ) throws(FileError) -> Float? {
    guard let classes = try? LearnedClasses(Model(bytes: model.bytes, owner: model), capacity: 1, grid: grid),
      (try? classes.add("class", isUnlike: true)) != nil  // one of the model's may be called so, too
    else { return nil }
    let empty = classes.bytes
    var (sum, count): (Float, Float) = (0, 0)
    for (images, places) in parts {
      for label in places.keys.sorted() {
        guard let places = places[label], places.count > 1 else { continue }
        let learned = try model.learnedClasses(copying: empty)
        var session = try ModelSession(model, classes: learned)
        for place in places {
          let index = images.indices[place]
          _ = try session.run(images.data.image(at: index), name: images.data.name(ofImage: index))
          try session.learn(0, of: learned)
        }
        if let agreement = try? learned.info(0).agreement {
          sum += agreement
          count += 1
        }
      }
    }
    return count > 0 ? sum / count : nil
  }
}
