import E3Host
import E3Models
import Glibc

extension Report {
  /// How far the probabilities of int8 and float are apart.
  func floatDistance(_ set: PictureSet, _ floats: Answers) -> Panel {
    histogramPanel(
      "int8 and float",
      Axis(title: "total variation (first bin: 10⁻⁶ and less)", lower: 1e-6, upper: 1, isLogarithmic: true),
      [("distance of the members' means", (0..<count).map { set.variation($0, floats) })])
  }

  /// A bar for each router of each member: the shares of its experts, in their colours.
  func expertBars(_ routing: RoutingStatistics) -> HTML {
    let isEnsemble = routing.layers.contains { $0.network > 0 }
    let bars = routing.layers.flatMap { layer -> [HTML] in
      let members = layer.memberCount
      let perMember = layer.uses.count / members
      return (0..<members).map { member in
        let experts = member * perMember..<(member + 1) * perMember
        let total = Double(max(layer.uses[experts].reduce(0, +), 1))
        let parts = experts.map { expert -> HTML in
          let share = Double(layer.uses[expert]) / total
          let colour = ExpertColours.css(expert - experts.lowerBound, of: perMember)
          return """
            <i style="width:\(decimals(100 * share, 2))%;background:\(colour)" \
            title="expert \(expert): \(percent(share, 1))">\(expert)</i>
            """
        }
        let network = isEnsemble ? "network \(layer.network), " : ""
        let title = "\(network)block \(layer.block)\(members > 1 ? ", member \(member + 1)" : "")"
        return "<div><p>\(title)</p><div class=\"bar\">\(parts)</div></div>\n"
      }
    }
    return "<div class=\"bars\">\(bars)</div>\n"
  }
}
