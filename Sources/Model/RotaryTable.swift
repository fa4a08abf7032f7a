// The rotary position embedding (Su et al. 2021).

package import Tensors

/// The rotary table [positions, E]: E/2 cosines, then E/2 sines of position · frequency, with the frequencies θ^(−2i/E).
///
/// Every operation is in fp32, as in transformers: at late positions its rounding is part of the model.
package func rotaryTable(positions: Int, _ c: ModelConfiguration) -> Matrix {
  let (width, half) = (c.headWidth, c.headWidth / 2)
  let table = Matrix(rows: positions, columns: width)
  let frequencies = (0..<half).map { i in
    let plain = 1 / Float(Double.pow(c.ropeTheta, Double(Float(2 * i) / Float(width))))
    return c.ropeScaling?.scaled(plain) ?? plain
  }
  for position in 0..<positions {
    let row = table.pointer(row: position)
    for (i, frequency) in frequencies.enumerated() {
      let angle = Double(Float(position) * frequency)
      row[i] = Float(Double.cos(angle))
      row[half + i] = Float(Double.sin(angle))
    }
  }
  return table
}
