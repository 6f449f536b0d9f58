import CE3
import CE3Board
import E3Format

/// What `--teach` does: the first frames that are answered become pictures of a learned class.
struct Lesson {
  private let label: UnsafePointer<CChar>
  private let shots: Int
  private let index: UInt32
  private var taken = 0

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
  mutating func take(_ model: borrowing Model, source: UnsafePointer<CChar>, frame: UInt64) throws(Failure) -> Int32 {
    // Several rectangles of one frame may be more than are asked for.
    guard !isDone else { return 0 }
    let status = model.learn(index)
    if status != 0 { throw .report(label, status: status) }
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

  /// Writes the file. A lesson that got fewer pictures than were asked for leaves it as it was: to teach them again would
  /// count them twice.
  func end(_ model: borrowing Model) throws(Failure) {
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
    let error = output.flush()
    if error != 0 { throw .report(standardOutput: error) }
  }
}
