import E3Host
import Glibc

/// One axis of a panel: a range of values on a line of pixels.
struct Axis {
  let title: String
  let lower, upper: Double
  /// Whether the axis is logarithmic; the range is positive then.
  var isLogarithmic = false
  /// Whether tick labels are percentages of 1.
  var isShare = false

  /// Where `value` lies between the ends, 0 to 1; values outside lie on the nearer end.
  func position(_ value: Double) -> Double {
    let place =
      isLogarithmic
      ? (log10(max(value, lower)) - log10(lower)) / (log10(upper) - log10(lower))
      : (value - lower) / (upper - lower)
    return min(max(place, 0), 1)
  }

  /// Round values inside the range, with their labels.
  var ticks: [(value: Double, label: String)] {
    if isLogarithmic { return logarithmicTicks }
    let step = Self.step(for: (upper - lower) / 5)
    let first = Int((lower / step - 1e-9).rounded(.up))
    let last = Int((upper / step + 1e-9).rounded(.down))
    guard first <= last else { return [] }
    let shown = isShare ? step * 100 : step
    let digits = max(0, Int((-log10(shown) - 1e-9).rounded(.up)))
    return (first...last).map { index in
      let value = Double(index) * step
      return (value, isShare ? decimals(value * 100, digits) : decimals(value, digits))
    }
  }

  /// 1, 2 and 5 times the powers of ten over few of them, else some of the powers.
  private var logarithmicTicks: [(value: Double, label: String)] {
    let exponents = Int((log10(lower) - 1e-9).rounded(.down))...Int((log10(upper) + 1e-9).rounded(.up))
    let shown = lower * (1 - 1e-9)...upper * (1 + 1e-9)
    if exponents.count <= 4 {
      return exponents.flatMap { exponent in
        [1.0, 2, 5].map { (factor: Double) -> (value: Double, label: String) in
          let value = factor * pow(10, Double(exponent))
          return (value, decimals(value, max(0, -exponent)))
        }
      }.filter { shown.contains($0.0) }
    }
    let step = max(1, exponents.count / 6)
    return exponents.filter { ($0 - exponents.lowerBound).isMultiple(of: step) }
      .map { (pow(10, Double($0)), "10" + superscript($0)) }
      .filter { shown.contains($0.0) }
  }

  private func superscript(_ number: Int) -> String {
    String(String(number).map { $0 == "-" ? "⁻" : Array("⁰¹²³⁴⁵⁶⁷⁸⁹")[$0.wholeNumberValue ?? 0] })
  }

  /// A logarithmic axis that holds all positive `values`, from 1, 2 or 5 times a power of ten to another.
  static func logarithmic(covering values: [Double], title: String) -> Axis {
    let positive = values.filter { $0.isFinite && $0 > 0 }
    let (low, high) = (positive.min() ?? 0.1, positive.max() ?? 1)
    let upper = step(for: high)
    // The largest round number that is not above the lowest value.
    let below = step(for: low)
    let lower = below > low * (1 + 1e-9) ? step(for: below / 2.6) : below
    return Axis(title: title, lower: lower, upper: max(upper, 2 * lower), isLogarithmic: true)
  }

  /// An axis that holds all `values`, with round ends, from `lower` on where that is given.
  static func covering(_ values: [Double], title: String, from lower: Double? = nil, isShare: Bool = false) -> Axis {
    let finite = values.filter(\.isFinite)
    let low = lower ?? finite.min() ?? 0
    let high = max(finite.max() ?? 1, low + 1e-9)
    let step = step(for: (high - low) / 5)
    let start = lower ?? (low / step).rounded(.down) * step
    return Axis(
      title: title, lower: start, upper: max((high / step).rounded(.up) * step, start + step), isShare: isShare)
  }

  /// The round number, 1, 2 or 5 times a power of ten, that is not below `size`.
  private static func step(for size: Double) -> Double {
    let power = pow(10, log10(max(size, 1e-12)).rounded(.down))
    for factor in [1.0, 2, 5] where factor * power >= size * (1 - 1e-9) { return factor * power }
    return 10 * power
  }
}
