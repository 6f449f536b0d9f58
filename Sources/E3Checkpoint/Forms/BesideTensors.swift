/// What a training put beside the tensors of a PyTorch file and bears on the model's answers: plain values of its
/// dictionary, and of the dictionaries in that.
struct BesideTensors: Sendable {
  /// Labels in the order of the classes, by the names of their fields.
  private(set) var labels: [(field: String, labels: [String])] = []
  /// Fields that say in which order the classes are, in a way that is not understood.
  private(set) var unclear: [String] = []
  /// Numbers that logits may be scaled by, as text, by the names of their fields.
  private(set) var scales: [(field: String, value: String)] = []

  private static let labelFields: Set<String> = [
    "class_to_idx", "label2id", "idx_to_class", "id2label", "classes", "class_names", "label_names",
  ]
  /// Fields and dictionaries that are looked at: more are none of a training's.
  private static let fieldLimit = 16
  private static let dictionaryLimit = 64

  init() {}

  init(_ pickle: Pickle) {
    guard case .dictionary(let root)? = pickle.object(pickle.root) else { return }
    collect(pickle, root, below: "")
    // The same one may stand there many times.
    var seen: Set<Int> = [root]
    for case (.text(let key), let value) in pickle.dictionaries[root] where seen.count < Self.dictionaryLimit {
      guard case .dictionary(let number)? = pickle.object(value), seen.insert(number).inserted else { continue }
      collect(pickle, number, below: "\(key).")
    }
  }

  private mutating func collect(_ pickle: Pickle, _ dictionary: Int, below path: String) {
    for case (.text(let key), let value) in pickle.dictionaries[dictionary] {
      guard labels.count + unclear.count + scales.count < Self.fieldLimit else { return }
      if path.isEmpty, LogitScale.isName(key) || key == "T", let text = Self.scale(value, key) {
        scales.append((key, text))
      }
      guard Self.labelFields.contains(key.lowercased()), let texts = Self.texts(pickle, value) else { continue }
      let found = texts.compactMap(\.self)
      if found.count == texts.count { labels.append((path + key, found)) } else { unclear.append(path + key) }
    }
  }

  /// A number that changes something.
  private static func scale(_ value: PickleValue, _ key: String) -> String? {
    let neutral = key == "T" || key == "temperature" ? 1 : 0
    return switch value {
    case .integer(let number) where number != neutral: "\(number)"
    case .real(let number) where number != Double(neutral): "\(number)"
    default: nil
    }
  }

  /// The labels of a list of texts, or of a dictionary of texts and the numbers from 0, either way round. Nil for a value
  /// of another kind; the classes that it has no text for are nil.
  private static func texts(_ pickle: Pickle, _ value: PickleValue) -> [String?]? {
    func text(_ value: PickleValue) -> String? { if case .text(let text) = value { text } else { nil } }
    switch pickle.object(value) {
    case .list(let number)?:
      let texts = pickle.lists[number].map(text)
      return texts.contains { $0 != nil } ? texts : nil
    case .tuple(let elements)?:
      let texts = elements.map(text)
      return texts.contains { $0 != nil } ? texts : nil
    case .dictionary(let number)?:
      let pairs = pickle.dictionaries[number]
      var texts = [String?](repeating: nil, count: pairs.count)
      for (key, value) in pairs {
        let (label, index) = text(key) == nil ? (value, key) : (key, value)
        guard case .text(let label) = label, case .integer(let index) = index, texts.indices.contains(index) else {
          continue
        }
        texts[index] = label
      }
      return pairs.isEmpty ? nil : texts
    default: return nil
    }
  }
}
