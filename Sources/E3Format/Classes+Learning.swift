import CE3

// What a class is learned from and what follows: CLASSES.md, "Learning". Single IEEE operations in the order of the text,
// so that the same pictures give the same bytes everywhere.

extension Classes {
  static var mostPictures: Int { 65_535 }
  /// As how many further pictures the model's own agreement counts.
  private static var priorPictures: Double { 8 }
  private static var rounding: Float { 12_582_912 }
  /// A radius, in units of the distance that a picture of the class is expected to have.
  private static var reach: Double { 1.27 }

  /// Adds a class without pictures and gives its index.
  ///
  /// - Throws: `indexRange`, `classLabel`, `classesFull`.
  public func add(_ text: UnsafeRawBufferPointer, kind: UInt32) throws(E3Error) -> Int {
    var header = header
    guard kind <= UInt32(E3_CLASS_UNLIKE) else { throw .indexRange }
    // Files may have labels of blanks, which were taken once.
    guard isLabel(text), !text.isBlank else { throw .classLabel }
    for index in 0..<count where hasLabel(index, text) { throw .classLabel }
    guard count < layout.capacity else { throw .classesFull }
    for index in 0..<count where kind == UInt32(E3_CLASS_UNLIKE) && records[index].kind == kind { throw .classesFull }
    let index = count
    var record = e3_classes_record()
    record.kind = kind
    records[index] = record
    UnsafeMutableRawPointer(records + index).copyMemory(from: text.baseAddress.unsafelyUnwrapped, byteCount: text.count)
    header.count += 1
    seal(header)
    return index
  }

  /// Whether a class that is learned is called as one of the model's own.
  public func isNamed(_ index: Int, asIn model: ModelFile) -> Bool {
    guard index < count, records[index].kind == UInt32(E3_CLASS_LEARNED) else { return false }
    for own in 0..<model.labelCount {
      if let text = model.label(own), hasLabel(index, text) { return true }
    }
    return false
  }

  /// Takes one more picture of a class.
  ///
  /// - Parameters:
  ///   - values: `layout.features` finite values, of the length `length` above 0.
  ///   - representations: `[M]` rows of R16 whitened values, `stride` floats apart.
  /// - Throws: `indexRange`, `classesFull`.
  public func learn(
    _ index: Int, _ values: UnsafePointer<Float>, length: Float, representations: UnsafePointer<Float>, stride: Int
  ) throws(E3Error) {
    guard index >= 0, index < count else { throw .indexRange }
    let pictures = Int(min(records[index].pictures, UInt32(Self.mostPictures)))
    guard pictures < Self.mostPictures else { throw .classesFull }
    let view = features(index)
    let (before, after) = (Float(pictures), Float(pictures + 1))

    // The mean of the pictures' features, each of the length 1.
    let scale = view.scale.pointee
    let (kept, added) = (scale * (before / after), 1 / (length * after))
    var (largest, cosine): (Float, Float) = (0, 0)
    for place in 0..<layout.features {
      let old = Float(view.weight(place))
      cosine += values[place] * old
      let value = old * kept + values[place] * added
      if abs(value) > largest { largest = abs(value) }
    }
    // Pictures that cancel out leave nothing; then the class is what it was.
    guard largest > 1e-30 else { throw .noFeatures }
    let factor = 127 / largest
    var sum: Int32 = 0
    for place in 0..<layout.features {
      let value = Float(view.weight(place)) * kept + values[place] * added
      // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
      let weight = Int8(max(-127, min(127, value * factor)) + Self.rounding - Self.rounding)
      view.set(place, weight)
      sum += Int32(weight)
    }
    view.scale.pointee = largest / 127
    view.compensation.pointee = 128 * sum

    let mean = mean(index)
    for member in 0..<layout.members {
      for column in 0..<layout.meanWidth {
        let place = member * layout.meanWidth + column
        mean[place] = mean[place] * (before / after) + representations[member * stride + column] * (1 / after)
      }
    }
    if pictures > 0 {
      // The sum over pairs grows by the cosines with all earlier ones, which their mean has together.
      let agreement = (records[index].agreement * (before - 1) + 2 * (cosine * scale / length)) / after
      records[index].agreement = max(-1, min(1, agreement))
    }
    records[index].pictures = UInt32(pictures + 1)
    derive()
    seal(header)
  }

  /// Takes a class out. Those behind it move up by one, and the bytes are as if it had never been there.
  ///
  /// - Throws: `indexRange`.
  public func remove(_ index: Int) throws(E3Error) {
    guard index >= 0, index < count else { throw .indexRange }
    var header = header
    let last = count - 1
    for place in index..<last {
      records[place] = records[place + 1]
      UnsafeMutableRawPointer(mean(place)).copyMemory(from: mean(place + 1), byteCount: 4 * layout.meanFloats)
      features(place).copy(features(place + 1), count: layout.features)
    }
    records[last] = e3_classes_record()
    mean(last).update(repeating: 0, count: layout.meanFloats)
    features(last).clear(count: layout.features)
    header.count -= 1
    seal(header)
    derive()
    seal(header)
  }

  /// Stores what follows from the features, pictures and agreements of all classes.
  private func derive() {
    for index in 0..<count { records[index].norm = derived(index).norm }
    for index in 0..<count {
      let derived = derived(index)
      (records[index].unlike_cosine, records[index].radius) = (derived.unlikeCosine, derived.radius)
    }
  }

  /// What follows from the features, pictures and agreement of a class.
  struct Derived: Equatable {
    var (norm, unlikeCosine, radius): (Float, Float, Float) = (0, 0, 0)
  }

  func derived(_ index: Int) -> Derived {
    let (record, view) = (records[index], features(index))
    var derived = Derived()
    guard record.pictures > 0 else { return derived }
    let square = view.product(view, count: layout.features)
    derived.norm = Float(Double(view.scale.pointee) * Double(square).squareRoot())
    guard record.kind == UInt32(E3_CLASS_LEARNED) else { return derived }
    if let unlike {
      let other = features(unlike)
      let length = (Double(square) * Double(other.product(other, count: layout.features))).squareRoot()
      derived.unlikeCosine = Float(Double(view.product(other, count: layout.features)) / length)
    }
    let shared = Double(derived.unlikeCosine) * Double(derived.norm)
    derived.radius = Self.radius(
      pictures: Double(record.pictures), agreement: Double(record.agreement), prior: Double(header.agreement),
      shared: shared * shared)
    return derived
  }

  /// How far from a class's features a picture of it may be.
  private static func radius(pictures: Double, agreement: Double, prior: Double, shared: Double) -> Float {
    let all = ((pictures - 1) * agreement + priorPictures * prior) / (pictures - 1 + priorPictures)
    let rest = shared < 1 ? max(0, (all - shared) / (1 - shared)) : 0
    let expected = 1 - rest * pictures.squareRoot() / (1 + (pictures - 1) * rest).squareRoot()
    return Float(min(1, max(0, reach * expected)))
  }

  /// The features of a class, one column of a panel; also of a class that is not there.
  func features(_ index: Int) -> ClassFeatures {
    ClassFeatures(panel: panels + index / 16 * layout.panelBytes, column: index % 16, features: layout.features)
  }
}

/// One column of a panel of features.
struct ClassFeatures {
  private let weights: UnsafeMutablePointer<Int8>
  let scale: UnsafeMutablePointer<Float>
  let bias: UnsafeMutablePointer<Float>
  let compensation: UnsafeMutablePointer<Int32>

  init(panel: UnsafeMutablePointer<UInt8>, column: Int, features: Int) {
    let start = UnsafeMutableRawPointer(panel)
    weights = start.assumingMemoryBound(to: Int8.self) + 4 * column
    let tail = start + 16 * features + 4 * column
    scale = tail.assumingMemoryBound(to: Float.self)
    bias = (tail + 64).assumingMemoryBound(to: Float.self)
    compensation = (tail + 128).assumingMemoryBound(to: Int32.self)
  }

  func weight(_ place: Int) -> Int8 { weights[place / 4 * 64 + place % 4] }

  func set(_ place: Int, _ weight: Int8) { weights[place / 4 * 64 + place % 4] = weight }

  func copy(_ other: ClassFeatures, count: Int) {
    for place in 0..<count { set(place, other.weight(place)) }
    scale.pointee = other.scale.pointee
    compensation.pointee = other.compensation.pointee
  }

  func clear(count: Int) {
    for place in 0..<count { set(place, 0) }
    scale.pointee = 0
    compensation.pointee = 0
  }

  /// Sum of the products with the weights of `other`.
  func product(_ other: ClassFeatures, count: Int) -> Int {
    var sum = 0
    for place in 0..<count { sum += Int(weight(place)) * Int(other.weight(place)) }
    return sum
  }
}
