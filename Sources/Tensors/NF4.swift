// The NF4 format with doubly quantised scales (QLoRA, Dettmers et al., arXiv 2305.14314).

internal import CShoal

/// NF4: entries as 4-bit codes in blocks of 64, the blocks' scales as 8-bit codes in blocks of 256.
package enum NF4 {
  /// Entries that share a scale.
  package static let block = Int(SHOAL_NF4_BLOCK)
  /// Scales that share a maximum.
  package static let scaleBlock = Int(SHOAL_NF4_SCALE_BLOCK)

  /// The quantised scales of a matrix: scale i is value(codes[i]) · maxima[i / 256] + offset.
  package struct Scales: Sendable, Equatable {
    package var codes: [UInt8]
    package var maxima: [Float]
    /// The mean of the scales.
    package var offset: Float
  }

  /// Bytes of a matrix with its scales and offset.
  package static func byteCount(rows: Int, columns: Int) -> Int {
    let blocks = rows * columns / block
    return blocks * block / 2 + blocks + 4 * scaleMaximaCount(blocks: blocks) + 4
  }

  package static func scaleMaximaCount(blocks: Int) -> Int { (blocks + scaleBlock - 1) / scaleBlock }
}
