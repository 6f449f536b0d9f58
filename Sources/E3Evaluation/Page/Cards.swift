import E3
import E3DataSets
import E3Host
import E3Metrics
import E3Models

/// Makes cards: a picture with the answer to it, what each member says, and which experts took its patches.
struct Cards: ~Copyable {
  private let report: Report
  /// Nil for a dense model and for several models.
  private var session: ModelSession?
  /// Bytes of maps that the page may still take.
  private var mapBytes = 1_500_000
  /// Whether maps were left out as the page would have become too large.
  private(set) var leftOutMaps = false

  init(_ report: Report) throws(FileError) {
    self.report = report
    session =
      report.routing == nil ? nil : try ModelSession(report.models[0].mapped, recordsRouting: true)
  }

  /// The cards of some images.
  ///
  /// - Parameter isOpen: whether the maps of the experts show at once.
  mutating func cards(_ set: PictureSet, _ indices: [Int], isOpen: Bool = false) throws(FileError) -> HTML {
    var cards: [HTML] = []
    for index in indices { cards.append(try card(set, index, isOpen: isOpen)) }
    return "<div class=\"cards\">\(cards)</div>\n"
  }

  /// The image alone, for an overview.
  func picture(_ set: PictureSet, _ index: Int) throws(FileError) -> HTML {
    let shown: Picture
    switch try set.images.image(at: index) {
    case .picture(let picture): shown = picture
    case .tensor(let values): shown = report.models[0].mapped.file.shape.picture(of: values)
    }
    let name = set.images.name(ofImage: index)
    return """
      <img class="\(shown.isShownExactly ? "exact" : "photo")" alt="\(fileName(name))" title="\(name)" \
      src="\(try shown.dataAddress())"/>
      """
  }

  private mutating func card(_ set: PictureSet, _ index: Int, isOpen: Bool) throws(FileError) -> HTML {
    let predicted = set.topClass(index)
    let truth = set.labels.map { labels -> HTML in
      labels[index] == predicted ? "right" : "is \(report.className(labels[index]))"
    }
    let decision = set.decision(index).map { decision -> HTML in
      "<span class=\"\(decision.name)\">\(decision.name)</span>"
    }
    let name = set.images.name(ofImage: index)
    return """
      <figure class="card">\(try picture(set, index))<figcaption>
      <p><b>\(report.className(predicted)) \(percent(Double(set.confidence(index)), 1))</b> \(decision ?? "") \(truth ?? "")</p>
      \(memberTable(set, index))
      <p class="small">\(signals(set, index))<br/><span title="\(name)">\(fileName(name))</span></p>
      \(try maps(set, index, name, isOpen: isOpen))</figcaption></figure>

      """
  }

  /// The classes in question, with what all members, each of them and the float path say.
  private func memberTable(_ set: PictureSet, _ index: Int) -> HTML {
    let answers = set.answers
    var rows = [set.probabilities(index)]
    var titles: [HTML] = ["<th>all</th>"]
    if answers.memberCount > 1 {
      for member in 0..<answers.memberCount {
        rows.append(answers.member(member, index))
        titles.append("<th>\(member + 1)</th>")
      }
    }
    if let floats = set.floats {
      let temperature = report.thresholds?.temperature ?? 1
      rows.append(tempered(floats.mean(index), temperature: temperature)[...])
      titles.append("<th>float</th>")
    }
    var classes = [set.topClass(index)]
    if let label = set.labels?[index] { classes.append(label) }
    classes += rows.map { topClass(of: $0) }
    let ranked = Array(rows[0]).enumerated().sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }
    classes += ranked.prefix(2).map(\.offset)
    var seen: Set<Int> = []
    let lines = classes.filter { seen.insert($0).inserted }.prefix(4).map { index -> HTML in
      let cells = rows.map { row -> HTML in "<td>\(decimals(100 * Double(row[row.startIndex + index]), 1))</td>" }
      return "<tr><th>\(report.className(index))</th>\(cells)</tr>"
    }
    return "<div class=\"wide\"><table class=\"small\"><tr><th>%</th>\(titles)</tr>\(lines)</table></div>"
  }

  private func signals(_ set: PictureSet, _ index: Int) -> String {
    let answers = set.answers
    var words = ["entropy \(decimals(answers.totalEntropy[index], 3))"]
    if answers.memberCount > 1 {
      words[0] += ", \(decimals(answers.mutualInformation[index], 3)) of it between members"
    }
    if !answers.unknownScore.isEmpty {
      words.append("unknown score \(decimals(answers.unknownScore[index], 2))")
    }
    return words.joined(separator: ", ")
  }

  private mutating func maps(
    _ set: PictureSet, _ index: Int, _ name: String, isOpen: Bool
  ) throws(FileError) -> HTML {
    guard session != nil else { return "" }
    let maps = try ExpertMaps(of: try set.images.image(at: index), name: name, &session!).html()
    guard maps.markup.utf8.count <= mapBytes else {
      leftOutMaps = true
      return ""
    }
    mapBytes -= maps.markup.utf8.count
    let open: HTML = isOpen ? " open=\"\"" : ""
    return "<details\(open)><summary>experts</summary>\(maps)</details>"
  }
}

extension Report {
  /// A class as people know it; of a long text the beginning.
  func className(_ index: Int) -> String {
    let labels = models[0].labels
    guard !labels.isEmpty else { return "class \(index)" }
    return labels[index].count > 40 ? "\(labels[index].prefix(39))…" : labels[index]
  }
}

extension Decision {
  /// Word of `e3-run`.
  var name: String {
    switch self {
    case .accept: "accept"
    case .unsure: "unsure"
    case .unknown: "unknown"
    }
  }
}
