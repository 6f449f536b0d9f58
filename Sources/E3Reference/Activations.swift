import CE3Float
import E3Checkpoint

/// The MLP's non-linear function, in place.
func apply(_ activation: ModelConfig.Activation, to x: inout Matrix) {
  switch activation {
  case .gelu: ce3_gelu(&x.values, x.values.count)
  case .geluTanh: ce3_gelu_tanh(&x.values, x.values.count)
  }
}

/// Softmax of every row, in place.
func softmax(_ x: inout Matrix) {
  let sums = powers(&x)
  divide(&x, by: sums)
}

/// exp(x - largest of the row), in place.
///
/// - Returns: the sum of each row.
func powers(_ x: inout Matrix) -> [Float] {
  var sums: [Float] = []
  sums.reserveCapacity(x.rows)
  x.updateRows { row in
    let largest = row.max() ?? 0
    ce3_exp_of_difference(row.baseAddress!, row.count, largest)
    sums.append(row.reduce(0, +))
  }
  return sums
}

/// Divides each row by its number.
func divide(_ x: inout Matrix, by numbers: [Float]) {
  var index = 0
  x.updateRows { row in
    for i in row.indices { row[i] /= numbers[index] }
    index += 1
  }
}

/// Rounds every value to the nearest bfloat16, ties to even; in place. Values are finite.
func roundToBFloat16(_ x: inout Matrix) {
  x.updateRows { row in
    for i in row.indices {
      let bits = row[i].bitPattern
      row[i] = Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
    }
  }
}
