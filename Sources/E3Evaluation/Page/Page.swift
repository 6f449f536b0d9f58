import E3
import E3Host
import E3Metrics
import E3Models

extension Report {
  /// Writes the page of `--report`: one file for a browser, with everything in it that it shows. It needs no network
  /// and runs no script; the same report gives the same bytes.
  ///
  /// The pictures are read once more, and a model with experts runs on those that are shown.
  /// - Throws: a picture that cannot be read any more, a file that cannot be written.
  public func writePage(to file: AtomicFile) throws(FileError) {
    try file.write(Array(try page().utf8))
    try file.commit()
  }

  /// The whole page.
  func page() throws(FileError) -> String {
    var page = try PageWriter(self)
    let sections = try page.sections()
    let links = sections.map { section -> HTML in "<a href=\"#\(section.name)\">\(section.title)</a>\n" }
    let bodies = sections.map { section -> HTML in
      "<section id=\"\(section.name)\"><h2>\(section.title)</h2>\n\(section.body)</section>\n"
    }
    let overview = try page.overview()
    let title = models.map { fileName($0.path) }.joined(separator: " + ")
    let lines = header.split(separator: "\n").map { line -> HTML in "\(String(line))<br/>" }
    let html: HTML = """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta http-equiv="Content-Security-Policy" \
      content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>
      <title>\(title)</title><link rel="icon" href="data:,"/>
      <style>\(pageStyle)</style></head><body>
      <h1>\(title)</h1>
      <p class="small">\(lines)e3-eval \(libraryVersion)</p>
      \(overview)<nav>\(links)</nav>
      \(bodies)</body></html>

      """
    return html.markup
  }
}

/// A part of the page.
struct PageSection {
  /// What links lead to.
  let name: String
  let title: String
  let body: HTML
}

/// Puts the page together.
struct PageWriter: ~Copyable {
  let report: Report
  let known: PictureSet
  let foreign: [PictureSet]
  let matrix: ConfusionMatrix
  private let textTables: [(kind: Report.TableKind, title: String, table: TextTable)]
  private let figures: [Figure]
  private(set) var cards: Cards

  init(_ report: Report) throws(FileError) {
    self.report = report
    known = PictureSet(
      images: report.images, answers: report.answers, floats: report.referenceAnswers, labels: report.labels)
    foreign = report.outOfDistribution.map {
      PictureSet(images: $0.images, answers: $0.answers, floats: $0.referenceAnswers, labels: nil)
    }
    matrix = ConfusionMatrix(report.answers.labelled(report.labels))
    (textTables, figures) = (report.tables, report.figures)
    cards = try Cards(report)
  }

  /// The sections that there is something to say in.
  mutating func sections() throws(FileError) -> [PageSection] {
    var sections = try [mistakes(), accepted(), unknown(), leastCertain()]
    sections += [
      PageSection(name: "classes", title: "Classes", body: report.classTable(matrix)),
      PageSection(name: "confusion", title: "Confusion matrix", body: confusion),
      PageSection(name: "figures", title: "Figures", body: figureTables),
      PageSection(name: "reliability", title: "Reliability and thresholds", body: diagrams),
    ]
    sections += try [int8BesideFloat(), experts(), corruptions].compactMap { $0 }
    return sections
  }

  // MARK: Pictures

  private mutating func mistakes() throws(FileError) -> PageSection {
    let found = known.mistakes
    return PageSection(
      name: "mistakes", title: "Most confident mistakes",
      body: """
        <p>\(grouped(found.count)) of \(grouped(report.count)) answers \(found.count == 1 ? "is" : "are") wrong. \
        \(Self.explanation(report))</p>
        \(try cards.cards(known, Array(found.prefix(12))))
        """)
  }

  /// Foreign pictures that were taken for a class.
  private mutating func accepted() throws(FileError) -> PageSection {
    var parts: [HTML] = []
    if foreign.isEmpty { parts.append("<p>No foreign pictures were given: --ood takes some.</p>\n") }
    for set in foreign {
      let found = set.accepted
      let few = Array(found.prefix(max(1, 48 / max(foreign.count, 4))))
      parts.append(
        """
        <h3>\(set.images.path)</h3>
        <p>\(acceptedText(set, found.count)).</p>
        \(try cards.cards(set, few))
        """)
    }
    return PageSection(name: "foreign", title: "Foreign pictures that were accepted", body: "\(parts)")
  }

  private mutating func unknown() throws(FileError) -> PageSection {
    let found = known.unknown
    let text =
      report.thresholds?.unknown == nil
      ? "Nothing is called unknown without the class statistics of a calibrated file."
      : "\(grouped(found.count)) of \(grouped(report.count)) pictures "
        + (found.count == 1 ? "is called unknown though it is" : "are called unknown though they are")
        + " of a known class; the farthest first."
    return PageSection(
      name: "unknown", title: "Called unknown",
      body: "<p>\(text)</p>\n\(try cards.cards(known, Array(found.prefix(12))))")
  }

  private mutating func leastCertain() throws(FileError) -> PageSection {
    PageSection(
      name: "uncertain", title: "Least certain",
      body: """
        <p>The largest entropies of the members' mean, whether the answers are right or wrong.</p>
        \(try cards.cards(known, Array(known.leastCertain.prefix(12))))
        """)
  }

  private mutating func int8BesideFloat() throws(FileError) -> PageSection? {
    guard let reference = report.reference, let floats = known.floats else { return nil }
    let found = known.differing
    let flipped = reference.flippedChoices.map { " Of the routers' choices \(percent($0)) are other ones." } ?? ""
    return PageSection(
      name: "int8", title: "int8 beside float",
      body: """
        <p>\(reference.checkpoints.joined(separator: " + ")) in float32 gives the same class to \(percent(reference.topAgreement)) of the pictures; \
        \(grouped(found.count)) differ, the farthest apart first.\(flipped) The figures of both are \
        <a href="#figures">beside each other</a>.</p>
        <div class="diagrams">\(Self.html(report.floatDistance(known, floats)))</div>
        \(try cards.cards(known, Array(found.prefix(12))))
        """)
  }

  private mutating func experts() throws(FileError) -> PageSection? {
    guard let routing = report.routing else { return nil }
    let examples = known.examples.compactMap { $0 }.prefix(6)
    let cards = try cards.cards(known, Array(examples), isOpen: true)
    let note: HTML =
      self.cards.leftOutMaps ? "<p>Maps of some pictures were left out: the page would be too large.</p>\n" : ""
    return PageSection(
      name: "experts", title: "Experts",
      body: """
        <p>Bars show how the patches of all pictures are divided among the experts of each member. Every picture on this \
        page has maps in the same colours: which expert its patches went to, before any capacity. A patch of several \
        experts is striped, the largest gate to the left.</p>
        \(report.expertBars(routing))\(report.routingTable.html())
        <h3>Examples: a right answer of some classes</h3>
        \(note)\(cards)
        """)
  }

  /// How many of a foreign set were accepted.
  func acceptedText(_ set: PictureSet, _ count: Int) -> String {
    let total = set.answers.count
    guard set.answers.calibrated != nil else {
      return
        "\(grouped(total)) \(total == 1 ? "picture" : "pictures"), none can be refused without a calibration; "
        + "the most confident first"
    }
    return "\(grouped(count)) of \(grouped(total)) accepted, \(percent(Double(count) / Double(total), 1))"
  }

  private static func explanation(_ report: Report) -> String {
    let tempered = report.thresholds == nil ? "" : ", corrected by the temperature"
    let members = report.members > 1 ? "; 1, 2 … are the members" : ""
    return "In the tables all is the members' mean\(tempered)\(members). Entropies are in nats."
  }

  // MARK: Tables and diagrams

  private var confusion: HTML {
    let most = matrix.confusions.prefix(8).map { confusion -> HTML in
      let (actual, predicted) = (report.className(confusion.actual), report.className(confusion.predicted))
      return "<li>\(actual) taken for \(predicted): \(grouped(confusion.count))</li>\n"
    }
    return """
      <p>Rows are the true classes, columns the answers. Colours show shares of a row.</p>
      <div class="tables"><div>\(report.confusionTable(matrix))</div>
      <div><h3>Most frequent</h3><ul>\(most)</ul></div></div>

      """
  }

  /// The tables of the text report.
  private var figureTables: HTML {
    "<div class=\"tables\">\(tables(.scores))\(tables(.decisions))\(tables(.detection))\(tables(.early))</div>\n"
  }

  private func tables(_ kind: Report.TableKind) -> HTML {
    let parts = textTables.filter { $0.kind == kind }.map { table -> HTML in
      let title: HTML = table.title.isEmpty ? "" : "<h3>\(table.title)</h3>\n"
      // Only a table of one column of figures has no titles.
      return "<div>\(title)\(table.table.html(hasTitles: table.table.rows[0][0].isEmpty))</div>\n"
    }
    return "\(parts)"
  }

  private var diagrams: HTML {
    let shown = figures.filter { $0.name != "corruptions" }
    return """
      <p>Whiskers are 95 % intervals (Wilson). Definitions: EVALUATION.md of the project.</p>
      <div class="diagrams">\(shown.flatMap(\.panels).map(Self.html))</div>

      """
  }

  private var corruptions: PageSection? {
    guard let figure = figures.first(where: { $0.name == "corruptions" }) else { return nil }
    return PageSection(
      name: "corruptions", title: "Corruptions",
      body: "\(tables(.corruptions))<div class=\"diagrams\">\(figure.panels.map(Self.html))</div>\n")
  }

  /// A diagram that fits a phone, with a legend that wraps.
  private static func html(_ panel: Panel) -> HTML {
    var panel = panel
    panel.width = min(panel.width, 270)
    let entries = panel.legend.map { entry -> HTML in
      let line = entry.style.dash.isEmpty ? "solid" : "dashed"
      return """
        <li><i style="border-top:\(entry.isFilled ? "6px" : "2px") \(line) \(entry.style.colour.rawValue)"></i>\
        \(entry.style.label)</li>
        """
    }
    return "<figure>\(HTML(trusted: panel.svg))<ul class=\"legend\">\(entries)</ul></figure>\n"
  }
}
