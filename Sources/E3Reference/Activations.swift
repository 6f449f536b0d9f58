import E3Checkpoint
import Glibc

/// The MLP's non-linear function, in place.
func apply(_ activation: ModelConfig.Activation, to x: inout Matrix) {
  x.updateRows { row in
    switch activation {
    case .gelu:
      // sqrt(1 / 2)
      for i in row.indices { row[i] = 0.5 * row[i] * (1 + erf(row[i] * 0.707_106_781_186_547_5)) }
    case .geluTanh:
      for i in row.indices {
        let value = row[i]
        // sqrt(2 / pi)
        row[i] = 0.5 * value * (1 + tanh(0.797_884_560_802_865_4 * (value + 0.044715 * value * value * value)))
      }
    }
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
    var sum: Float = 0
    for i in row.indices {
      row[i] = exp(row[i] - largest)
      sum += row[i]
    }
    sums.append(sum)
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
