// Forms with fewer bits that the matrices of linear layers are quantised to: NF4 and int8.

package import Tensors

/// How matrices are quantised, and which tensors hold one.
package protocol QuantizedForm: Sendable {
  /// What a matrix has beside its codes.
  associatedtype Scales

  static var name: String { get }
  /// Change this whenever the tensors' content changes.
  static var version: Int { get }
  /// Rows are whole blocks of that many entries.
  static var block: Int { get }
  /// Whether the head is quantised too. An embedding that it shares its weights with is not.
  static var includesHead: Bool { get }
  /// The tensors of a matrix, its codes first.
  static var parts: [QuantizedPart] { get }

  /// - Parameter weights: all matrices that read one input.
  /// - Returns: those of each matrix; nil if an entry is not finite.
  static func scales(of weights: [Weight], _ pool: ThreadPool) -> [Scales]?
  static func codes(of weight: Weight, _ scales: Scales, _ pool: ThreadPool) -> [UInt8]
  /// The content of the parts but the first.
  static func bytes(of scales: Scales) -> [[UInt8]]
  /// The matrix `weights[place]`, quantised in memory. Otherwise as `scales`.
  static func quantized(_ weights: [Weight], at place: Int, _ pool: ThreadPool) -> Weight?
  /// The matrix that the parts hold.
  static func weight(_ parts: [UnsafeRawPointer], rows: Int, columns: Int, owner: AnyObject) -> Weight
}

/// A tensor of a quantised matrix.
package struct QuantizedPart: Sendable {
  /// Follows the matrix's own name.
  package let suffix: String
  package let type: ElementType
  package let shape: @Sendable (_ rows: Int, _ columns: Int) -> [Int]

  init(_ suffix: String, _ type: ElementType, _ shape: @escaping @Sendable (_ rows: Int, _ columns: Int) -> [Int]) {
    (self.suffix, self.type, self.shape) = (suffix, type, shape)
  }
}

/// NF4 with doubly quantised scales: QLoRA's form. The tensors have bitsandbytes' names.
package enum NF4Form: QuantizedForm {
  package static let name = "NF4"
  package static let version = 1
  package static let block = NF4.block
  package static let includesHead = false
  package static let parts = [
    QuantizedPart("", .uint8) { [$0, $1 / 2] },
    QuantizedPart(".absmax", .uint8) { [$0, $1 / NF4.block] },
    QuantizedPart(".nested_absmax", .float32) { [NF4.scaleMaximaCount(blocks: $0 * $1 / NF4.block)] },
    QuantizedPart(".nested_offset", .float32) { _, _ in [1] },
  ]

  package static func scales(of weights: [Weight], _ pool: ThreadPool) -> [NF4.Scales]? {
    var scales: [NF4.Scales] = []
    for weight in weights {
      guard let maxima = NF4Quantizer.blockMaxima(of: weight, pool) else { return nil }
      scales.append(NF4Quantizer.scales(of: maxima, offset: NF4Quantizer.offset(of: maxima), pool))
    }
    return scales
  }

  package static func codes(of weight: Weight, _: NF4.Scales, _ pool: ThreadPool) -> [UInt8] {
    NF4Quantizer.codes(of: weight, pool)
  }

  package static func bytes(of scales: NF4.Scales) -> [[UInt8]] {
    [scales.codes, scales.maxima.withUnsafeBytes(Array.init), withUnsafeBytes(of: scales.offset, Array.init)]
  }

  package static func quantized(_ weights: [Weight], at place: Int, _ pool: ThreadPool) -> Weight? {
    NF4Quantizer.quantized(weights[place], pool)
  }

  package static func weight(_ parts: [UnsafeRawPointer], rows: Int, columns: Int, owner: AnyObject) -> Weight {
    Weight(
      nf4: parts[0], scaleCodes: parts[1].assumingMemoryBound(to: UInt8.self),
      scaleMaxima: parts[2].assumingMemoryBound(to: Float.self), offset: parts[3].loadUnaligned(as: Float.self),
      rows: rows, columns: columns, owner: owner)
  }
}

/// Bytes with a scale for each row, and a power of two for each input channel.
package enum Int8Form: QuantizedForm {
  package static let name = "int8"
  package static let version = 2
  package static let block = 1
  package static let includesHead = true
  package static let parts = [
    QuantizedPart("", .uint8) { [$0, $1] },
    QuantizedPart(".scales", .float32) { rows, _ in [rows] },
    QuantizedPart(".factors", .float32) { _, columns in [columns] },
  ]

  package struct Scales {
    package let ofRows, ofColumns: [Float]
  }

  package static func scales(of weights: [Weight], _ pool: ThreadPool) -> [Scales]? {
    guard let factors = Int8Quantizer.factors(of: weights, pool) else { return nil }
    return weights.map {
      Scales(ofRows: Int8Quantizer.scales(of: $0, factors: factors, pool), ofColumns: factors)
    }
  }

  package static func codes(of weight: Weight, _ scales: Scales, _ pool: ThreadPool) -> [UInt8] {
    Int8Quantizer.codes(of: weight, scales: scales.ofRows, factors: scales.ofColumns, pool)
  }

  package static func bytes(of scales: Scales) -> [[UInt8]] {
    [scales.ofRows, scales.ofColumns].map { $0.withUnsafeBytes(Array.init) }
  }

  package static func quantized(_ weights: [Weight], at place: Int, _ pool: ThreadPool) -> Weight? {
    Int8Quantizer.factors(of: weights, pool).map { Int8Quantizer.quantized(weights[place], factors: $0, pool) }
  }

  package static func weight(_ parts: [UnsafeRawPointer], rows: Int, columns: Int, owner: AnyObject) -> Weight {
    Weight(
      int8: parts[0], scales: parts[1].assumingMemoryBound(to: Float.self),
      factors: parts[2].assumingMemoryBound(to: Float.self), rows: rows, columns: columns, owner: owner)
  }
}
