import E3
import E3DataSets
import E3Format
import E3Host
import E3Models

/// What was learned, and what may be expected of it.
public struct LearningSummary: Sendable {
  /// A class that got pictures.
  public struct Class: Sendable {
    public let label: String
    /// Pictures of it in all.
    public let pictures: Int
    public let radius: Float
    /// Pictures that the file had of it before. They may be the same ones, and then to leave one out would tell nothing.
    public let earlier: Int
    /// Of the pictures that were left out in turn, those that were found; of none where there were earlier ones.
    public let found: Share
    /// Of the pictures those that have an answer without this class: the accepted class of the model, or the learned class
    /// of the file, by its label; most first.
    public var known: [(label: String, pictures: Int)] = []
  }

  public let classes: [Class]
  /// Of the unlike pictures that were left out in turn, those that were taken for a learned class; nil without some, and
  /// where the file had unlike ones before.
  public let taken: Share?
  /// Unlike pictures that the file had before.
  public let earlierUnlike: Int
  /// Pictures that are copies of others, which tell nothing of pictures that were not seen.
  public let copies: Int
  /// Classes whose label looks like another's of the file or of the model, and has other bytes.
  public var twins: [(label: String, other: String)] = []

  /// What makes the classes of little use, a line each; empty when nothing does. Estimates from few pictures say too
  /// little.
  public var doubts: [String] {
    // Of few only all say something.
    func isMost(_ count: Int, of all: Int) -> Bool { all >= 5 ? 2 * count > all : all >= 2 && count == all }
    var lines = classes.compactMap { learned -> String? in
      if isMost(learned.found.of - learned.found.count, of: learned.found.of) {
        return
          "\(learned.label): \(learned.found.count > 0 ? "most" : "all") of its own pictures were not found when left out: they are too "
          + "unlike each other"
      }
      return learned.radius >= 1
        ? "\(learned.label): its pictures are so unlike each other that anything is near it" : nil
    }
    if let taken, isMost(taken.count, of: taken.of) {
      lines.append("most of the unlike pictures were taken for a learned class")
    }
    for twin in twins {
      lines.append("\(twin.label): looks like \(twin.other), another class, whose name is written with other bytes")
    }
    return lines
  }
}

/// So many of so many.
public struct Share: Sendable, Equatable {
  public let count: Int
  public let of: Int

  public init(count: Int, of: Int) { (self.count, self.of) = (count, of) }

  /// Where the share of all such pictures lies with 95 % confidence (Wilson 1927).
  public var interval: (low: Double, high: Double) {
    guard of > 0 else { return (0, 1) }
    let (n, z) = (Double(of), 1.959964)
    let p = Double(count) / n
    let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    return (max(0, middle - half), min(1, middle + half))
  }
}

/// Learns classes from pictures and adds them to a .e3c file.
///
/// - Parameters:
///   - path: The model file.
///   - pictures: A folder with one folder of pictures for each class; or images of one class, called `label`.
///   - unlike: Pictures of none of the classes.
///   - anew: Whether what the file has of these classes, and of unlike ones if there are some here, is forgotten before.
///   - file: The .e3c file, begun when it is not there. It is replaced when all is learned.
///   - progress: Is told the share that is done.
/// - Throws: a damaged model; images without a label; no room; a file of another model.
public func learnClasses(
  model path: String, pictures: DataSet, label: String?, unlike: DataSet?, anew: Bool = false, file: String,
  progress: (Double) -> Void = { _ in }
) throws(FileError) -> LearningSummary {
  let watch = FileWatch()
  let model = try watch.during { () throws(FileError) in try MappedModel(path: path) }
  try model.requireWhole()
  guard model.networks.count == 1 else {
    throw FileError(file: path, problem: "a deep ensemble learns no classes; a model of one network does")
  }
  let names = try labels(of: pictures, label)
  let before = try watch.during { () throws(FileError) in try ClassesFile(file, model) }
  let lesson = Lesson(model: model, names: names, pictures: pictures, unlike: unlike)
  let start = anew ? try lesson.forgotten(before.bytes) : before.bytes
  let all = try lesson.learned(from: start, leavingOut: nil, unlikeFold: nil)

  // What was left out, with all its copies, is looked for with all the rest.
  let groups = try lesson.groups()
  let distinct = (groups.max() ?? -1) + 1
  let folds = min(Lesson.mostFolds, distinct)
  // Numbers come in the order of the first of their pictures.
  var firsts: [Int] = []
  for place in groups.indices where groups[place] == firsts.count { firsts.append(place) }
  var distinctOf = [Int](repeating: 0, count: names.count)
  for place in firsts { distinctOf[pictures.labels?[place] ?? 0] += 1 }
  let earlier = try names.map { (name) throws(FileError) in try lesson.pictures(of: name, in: start) }
  var found = [Share](repeating: Share(count: 0, of: 0), count: names.count)
  for fold in 0..<folds where distinct > 1 && earlier.contains(0) {
    let rest = try lesson.learned(
      from: start, leavingOut: groups.map { $0 % folds == fold }, unlikeFold: nil)
    for place in stride(from: fold, to: distinct, by: folds).map({ firsts[$0] }) {
      let class_ = pictures.labels?[place] ?? 0
      // Without its only picture a class is not there.
      guard distinctOf[class_] > 1, earlier[class_] == 0 else { continue }
      let answer = try lesson.answer(pictures, place, rest)
      found[class_] = Share(
        count: found[class_].count + (answer.map { areSame($0, names[class_]) } == true ? 1 : 0),
        of: found[class_].of + 1)
    }
    progress(Double(fold + 1) / Double(folds))
  }
  var taken: Share?
  let earlierUnlike = unlike == nil ? 0 : try lesson.pictures(of: "unlike", in: start)
  if let unlike, unlike.count > 1, earlierUnlike == 0 {
    var count = 0
    for fold in 0..<2 {
      let rest = try lesson.learned(from: start, leavingOut: nil, unlikeFold: fold)
      for place in stride(from: fold, to: unlike.count, by: 2) {
        if try lesson.answer(unlike, place, rest) != nil { count += 1 }
      }
    }
    taken = Share(count: count, of: unlike.count)
  }
  let known = try lesson.known(to: start)
  try watch.requireUnchanged()
  try before.write(all.bytes)
  let classes = names.indices.compactMap { index -> LearningSummary.Class? in
    guard let place = all.index(of: names[index]), let learned = try? all.info(place) else { return nil }
    return LearningSummary.Class(
      label: names[index], pictures: learned.pictures, radius: learned.radius, earlier: earlier[index],
      found: found[index], known: known[index])
  }
  let labels = (0..<all.count).compactMap { try? all.info($0).label } + model.labels
  let twins = classes.flatMap { learned in
    labels.filter { $0 == learned.label && !areSame($0, learned.label) }.map { (learned.label, $0) }
  }
  return LearningSummary(
    classes: classes, taken: taken, earlierUnlike: earlierUnlike, copies: pictures.count - distinct, twins: twins)
}

/// The labels of the classes that pictures are of.
private func labels(of pictures: DataSet, _ label: String?) throws(FileError) -> [String] {
  if let names = pictures.classNames {
    guard label == nil else {
      throw FileError(file: pictures.path, problem: "the folders are the labels; --label is for pictures of one class")
    }
    return names
  }
  guard let label else {
    throw FileError(file: pictures.path, problem: "pictures of one class, which --label names")
  }
  guard pictures.labels == nil || pictures.labels?.allSatisfy({ $0 == 0 }) == true else {
    throw FileError(file: pictures.path, problem: "images of several classes, whose labels are numbers: use folders")
  }
  return [label]
}

/// Learns from some of the pictures.
private struct Lesson {
  let model: MappedModel
  let names: [String]
  let pictures: DataSet
  let unlike: DataSet?

  static let mostFolds = 10

  /// Numbers the pictures, copies alike, from 0 on in the order in which they come.
  func groups() throws(FileError) -> [Int] {
    var numbers: [UInt64: Int] = [:]
    var groups: [Int] = []
    for place in 0..<pictures.count {
      var hash = XXH64()
      switch try pictures.image(at: place) {
      case .picture(let picture): picture.pixels.withUnsafeBytes { hash.update($0) }
      case .tensor(let values): values.withUnsafeBytes { hash.update($0) }
      }
      let number = numbers[hash.digest] ?? numbers.count
      numbers[hash.digest] = number
      groups.append(number)
    }
    return groups
  }

  /// The bytes of a file without the classes that these pictures are of.
  func forgotten(_ bytes: [UInt8]) throws(FileError) -> [UInt8] {
    let classes = try model.learnedClasses(copying: bytes)
    let shown = Set((0..<pictures.count).map { pictures.labels?[$0] ?? 0 }).sorted().map { names[$0] }
    for (label, isUnlike) in shown.map({ ($0, false) }) + (unlike == nil ? [] : [("unlike", true)]) {
      guard let index = classes.index(of: label), (try? classes.info(index))?.isUnlike == isUnlike else { continue }
      do throws(E3Error) {
        try classes.remove(index)
      } catch {
        throw FileError(file: label, problem: error.description)
      }
    }
    return classes.bytes
  }

  /// What the pictures of each class are answered with by the model and the classes of `bytes` that these are not of.
  func known(to bytes: [UInt8]) throws(FileError) -> [[(label: String, pictures: Int)]] {
    let classes = try model.learnedClasses(copying: forgotten(bytes))
    var session = try ModelSession(model, classes: classes)
    // Learned classes have the numbers below 0.
    var counts = [[Int: Int]](repeating: [:], count: names.count)
    for place in 0..<pictures.count {
      let answer = try session.run(pictures.image(at: place), name: pictures.name(ofImage: place))
      let (learned, decision, top) = (answer.learnedClass, answer.decision, answer.topClass)
      guard learned != nil || decision == .accept else { continue }
      counts[pictures.labels?[place] ?? 0][learned.map { ~$0 } ?? top, default: 0] += 1
    }
    let labels = model.labels
    func label(_ number: Int) -> String {
      if number < 0 { return (try? classes.info(~number).label) ?? "" }
      return labels.isEmpty ? "class \(number)" : labels[number]
    }
    return counts.map { counts in
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { (label: label($0.key), pictures: $0.value) }
    }
  }

  /// How many pictures a class of `bytes` has; 0 where it is not there.
  func pictures(of label: String, in bytes: [UInt8]) throws(FileError) -> Int {
    let classes = try model.learnedClasses(copying: bytes)
    return classes.index(of: label).flatMap { try? classes.info($0).pictures } ?? 0
  }

  /// The classes of `bytes` with these pictures added, but those that are left out.
  func learned(
    from bytes: [UInt8], leavingOut left: [Bool]?, unlikeFold: Int?
  ) throws(FileError) -> LearnedClasses {
    let classes = try model.learnedClasses(copying: bytes)
    var session = try ModelSession(model, classes: classes)
    if let unlike {
      let index = try index(of: "unlike", isUnlike: true, classes)
      for place in 0..<unlike.count where unlikeFold.map({ place % 2 != $0 }) ?? true {
        try learn(unlike, place, index, classes, &session)
      }
    }
    for place in 0..<pictures.count where left.map({ !$0[place] }) ?? true {
      try learn(
        pictures, place, index(of: names[pictures.labels?[place] ?? 0], isUnlike: false, classes), classes, &session)
    }
    return classes
  }

  private func learn(
    _ data: DataSet, _ place: Int, _ index: Int, _ classes: LearnedClasses, _ session: inout ModelSession
  ) throws(FileError) {
    _ = try session.run(data.image(at: place), name: data.name(ofImage: place))
    try session.learn(index, of: classes)
  }

  private func index(of label: String, isUnlike: Bool, _ classes: LearnedClasses) throws(FileError) -> Int {
    guard isUnlike || !model.labels.contains(where: { areSame($0, label) }) else {
      throw FileError(file: label, problem: "is a class of the model: give the one that is learned another name")
    }
    if let index = classes.index(of: label), let learned = try? classes.info(index) {
      guard learned.isUnlike == isUnlike else {
        throw FileError(file: label, problem: "is the name of another kind of class in the file")
      }
      return index
    }
    guard isUnlike || !Array(label.utf8).withUnsafeBytes({ $0.isCalled("unlike") }) else {
      throw FileError(file: label, problem: "is what pictures of other things are called; give the class another name")
    }
    do throws(E3Error) {
      return try classes.add(label, isUnlike: isUnlike)
    } catch .classLabel {
      // Not there already: that was found.
      let length = label.utf8.count
      let isBlank = Array(label.utf8).withUnsafeBytes { $0.isBlank }
      let problem =
        length == 0
        ? "empty" : length > 40 ? "longer than 40 bytes" : isBlank ? "nothing that can be seen" : "not one line"
      throw FileError(file: label, problem: "the label of a learned class is \(problem)")
    } catch {
      throw FileError(file: label, problem: error.description)
    }
  }

  /// Label of the learned class that is the answer to an image; nil when none is.
  func answer(_ data: DataSet, _ place: Int, _ classes: LearnedClasses) throws(FileError) -> String? {
    var session = try ModelSession(model, classes: classes)
    let answer = try session.run(data.image(at: place), name: data.name(ofImage: place))
    return answer.learnedClass.flatMap { try? classes.info($0).label }
  }
}

/// A .e3c file, which may not be there yet.
private struct ClassesFile {
  private let path: String
  let bytes: [UInt8]
  /// Nil where there was none.
  private let file: MappedFile?

  init(_ path: String, _ model: MappedModel) throws(FileError) {
    self.path = path
    let file = isThere(path) ? try MappedFile(path: path) : nil
    self.file = file
    do throws(E3Error) {
      let model = try Model(bytes: model.bytes, owner: model)
      // What is behind the longest file for the model would not be read.
      let most = [1, 2, 4].compactMap { try? LearnedClasses(model, capacity: 64, grid: $0).bytes.count }.max() ?? 0
      let stored = withExtendedLifetime(file) { file.map { Array($0.bytes.prefix(max(most, 128))) } }
      if let stored {
        bytes = try LearnedClasses(model, copying: stored.span.bytes).bytes
      } else {
        bytes = try LearnedClasses(model).bytes
      }
    } catch {
      throw FileError(file: path, problem: error.description)
    }
  }

  func write(_ bytes: [UInt8]) throws(FileError) {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit(replacing: self.file)
  }
}

extension MappedModel {
  /// The learned classes that `bytes`, a file's, hold for this model.
  func learnedClasses(copying bytes: [UInt8]) throws(FileError) -> LearnedClasses {
    do throws(E3Error) {
      return try LearnedClasses(Model(bytes: self.bytes, owner: self), copying: bytes.span.bytes)
    } catch {
      throw FileError(file: path, problem: error.description)
    }
  }
}
