import E3Host

extension ErrorSources {
  /// The array of `--json`: what is no number is `null`, as for a source without noise.
  package var json: JSONText {
    .array(
      blocks.map { block in
        .object(
          [("block", block.index.map(JSONText.integer) ?? .null)]
            + block.decibels.map { ($0.source, .number($0.value)) }
            + [
              ("all", .number(block.all)),
              (
                "router",
                block.router.map { router in
                  .object([
                    ("smallest_margin", .float(router.smallestMargin)),
                    ("percentile_margin", .float(router.percentileMargin)), ("flipped", .number(router.flipped)),
                  ])
                } ?? .null
              ),
            ])
      })
  }

  /// Tables for people.
  package var text: String {
    var table = TextTable()
    table.add(["block"] + (blocks.last?.decibels.map(\.source) ?? []) + ["all"])
    for block in blocks where block.index != nil {
      let values = block.decibels.map(\.value) + [block.all]
      table.add([block.index.map(String.init) ?? ""] + values.map { decimals($0, 1) })
    }
    let embedding = blocks[0].decibels.map { "\($0.source) \(decimals($0.value, 1))" }.joined(separator: ", ")
    var text =
      "\(name)each rounding alone, dB of the block's output above its noise (\(counted(images, "image"))):\n"
      + "  embedding of the patches: \(embedding)\n\(table.text)"
    let routers = blocks.filter { $0.router != nil }
    guard !routers.isEmpty else { return text }
    var margins = TextTable()
    margins.add(["router of block", "smallest margin", "1 % below", "flipped by this block's rounding"])
    for block in routers {
      margins.add([
        block.index.map(String.init) ?? "", decimals(block.router.map { Double($0.smallestMargin) }, 5),
        decimals(block.router.map { Double($0.percentileMargin) }, 5), percent(block.router?.flipped),
      ])
    }
    text += "\ngates between the last expert chosen and the next:\n\(margins.text)"
    return text
  }
}
