import CE3
import CE3Board
import E3Format

/// What `--teach` does: the first frames that are answered become pictures of a learned class.
struct Lesson {
  private let label: UnsafePointer<CChar>
  private let shots: Int
  private let index: UInt32
  private var taken = 0
  /// Of the first pictures what the network made of them, and how many were the same as one before.
  private var seen = InlineArray<64, UInt64>(repeating: 0)
  private var copies = 0
  private var known = KnownPictures()

  /// Adds the class when it is new.
  init(_ label: UnsafePointer<CChar>, shots: Int, _ model: borrowing Model) throws(Failure) {
    let wanted = CString.bytes(label)
    for index in 0..<model.info.labels where model.label(index).map({ $0.isSame(as: wanted) }) ?? false {
      throw .report(label, "is a class of the model: give the one that is learned another name")
    }
    guard let index = try model.learned?.index(of: label) else { throw .usage("--teach needs --classes FILE") }
    (self.label, self.shots, self.index) = (label, shots, index)
  }

  /// Whether all pictures were taken.
  var isDone: Bool { taken >= shots }

  /// Takes the last answer, and says so; the errno of standard output.
  mutating func take(
    _ result: e3_result, _ model: borrowing Model, source: UnsafePointer<CChar>, frame: UInt64
  ) throws(Failure) -> Int32 {
    // Several rectangles of one frame may be more than are asked for.
    guard !isDone else { return 0 }
    let status = model.learn(index)
    if status != 0 { throw .report(label, status: status) }
    note(result, model)
    known.add(result, taught: index, model)
    taken += 1
    let output = TextStream.output
    output.write(path: source)
    output.write(" ")
    output.write(frame)
    output.write(": picture ")
    output.write(taken)
    output.write(" of ")
    output.write(shots)
    output.write(" of ")
    output.write(path: label)
    output.write("\n")
    return output.flush()
  }

  /// Counts the picture as a copy where one of the first gave the same bits.
  private mutating func note(_ result: e3_result, _ model: borrowing Model) {
    var hash = XXH64()
    let width = 4 * Int(model.info.representation_size)
    for member in 0..<Int(result.members) {
      let row = result.representations + member * Int(result.representation_stride)
      hash.update(UnsafeRawBufferPointer(start: row, count: width))
    }
    for earlier in 0..<min(taken, seen.count) where seen[earlier] == hash.digest {
      copies += 1
      break
    }
    if taken < seen.count { seen[taken] = hash.digest }
  }

  /// Writes the file. A lesson that got fewer pictures than were asked for leaves it as it was: to teach them again would
  /// count them twice.
  ///
  /// - Parameter left: Operands that nobody looked at, as all pictures were there.
  func end(_ model: borrowing Model, left: Int) throws(Failure) {
    guard taken > 0, let file = model.learned?.path, let learned = model.learned?.learned(index) else { return }
    guard isDone else {
      throw .report(file, "nothing is written: ") { errors in
        errors.write(taken)
        errors.write(taken == 1 ? " picture of " : " pictures of ")
        errors.write(path: label)
        errors.write(", but --shots asks for ")
        errors.write(shots)
      }
    }
    try model.learned?.save()
    let output = TextStream.output
    output.write(path: file)
    output.write(": ")
    output.write(path: label)
    output.write(" is learned from ")
    output.write(learned.pictures)
    output.write(learned.pictures == 1 ? " picture" : " pictures")
    output.write(", radius ")
    output.write(Double(learned.radius), decimals: 3)
    if learned.pictures < UInt32(E3_CLASS_FEWEST_PICTURES) { output.write("; with fewer than 3 it is at most unsure") }
    output.write("\n")
    known.write(to: output, model)
    if copies > 0 {
      output.write(copies)
      output.write(
        copies == 1
          ? " of the pictures is a copy of another, and teaches nothing more\n"
          : " of the pictures are copies of others, and teach nothing more\n")
    }
    if left > 0 {
      output.write(left)
      output.write(" more ")
      output.write(left == 1 ? "was" : "were")
      output.write(" not looked at (--shots)\n")
    }
    let error = output.flush()
    if error != 0 { throw .report(standardOutput: error) }
  }
}
