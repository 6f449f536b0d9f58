/// Where a share lies with 95 % confidence, when `successes` of `count` independent trials were counted.
///
/// Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference". Unlike the normal
/// approximation it stays within 0 to 1 and has a width where every trial went the same way.
///
/// - Returns: nil for no trial.
public func wilsonInterval(successes: Double, count: Double) -> ClosedRange<Double>? {
  guard count > 0 else { return nil }
  let z = 1.959963984540054
  let share = successes / count
  let middle = (share + z * z / (2 * count)) / (1 + z * z / count)
  let half = z * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot() / (1 + z * z / count)
  return max(0, middle - half)...min(1, middle + half)
}
