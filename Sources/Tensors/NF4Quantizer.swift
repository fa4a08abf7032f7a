// Quantises to NF4 with the same bits as bitsandbytes on a CPU.

internal import CShoal

/// Turns weights into NF4 codes and scales.
package enum NF4Quantizer {
  /// The largest magnitude of each block; nil if an entry is not finite, since NF4 has no code for it.
  /// - Precondition: the matrix holds floats, and its rows are whole blocks.
  package static func blockMaxima(of weight: Weight, _ pool: ThreadPool) -> [Float]? {
    let (base, type) = weight.floats
    let blocks = blockCount(weight)
    nonisolated(unsafe) let entries = base
    let entryBytes = weight.byteCount / max(1, weight.rows * weight.columns)
    let maxima = [Float](unsafeUninitializedCapacity: blocks) { maxima, count in
      nonisolated(unsafe) let out = maxima.baseAddress
      pool.blocks(of: blocks, by: blocksOfPiece) { range in
        guard let out else { return }
        kernels.nf4_maxima(
          out + range.lowerBound, entries + range.lowerBound * NF4.block * entryBytes, type, Int64(range.count))
      }
      count = blocks
    }
    return maxima.allSatisfy(\.isFinite) ? maxima : nil
  }

  /// The offset of doubly quantised scales: their mean.
  package static func offset(of maxima: [Float]) -> Float {
    Float(maxima.reduce(0.0) { $0 + Double($1) } / Double(max(1, maxima.count)))
  }

  /// Quantises the scales themselves.
  package static func scales(of maxima: [Float], offset: Float, _ pool: ThreadPool) -> NF4.Scales {
    let blocks = maxima.count
    let groups = NF4.scaleMaximaCount(blocks: blocks)
    var scales = NF4.Scales(
      codes: Array(repeating: 0, count: blocks), maxima: Array(repeating: 0, count: groups), offset: offset)
    scales.codes.withUnsafeMutableBufferPointer { codes in
      scales.maxima.withUnsafeMutableBufferPointer { largest in
        maxima.withUnsafeBufferPointer { maxima in
          nonisolated(unsafe) let (codes, largest, maxima) = (codes, largest, maxima)
          pool.blocks(of: groups, by: 16) { range in
            let start = range.lowerBound * NF4.scaleBlock
            guard let codes = codes.baseAddress, let largest = largest.baseAddress, let maxima = maxima.baseAddress
            else { return }
            kernels.nf4_quantize_scales(
              codes + start, largest + range.lowerBound, maxima + start, offset,
              Int64(min(blocks, range.upperBound * NF4.scaleBlock) - start))
          }
        }
      }
    }
    return scales
  }

  /// The codes of a matrix, two per byte, the first in the high half. They depend on the entries alone, not on the
  /// rounding of the scales.
  /// - Precondition: as for `blockMaxima`, whose result is not nil.
  package static func codes(of weight: Weight, _ pool: ThreadPool) -> [UInt8] {
    let (base, type) = weight.floats
    let blocks = blockCount(weight)
    nonisolated(unsafe) let entries = base
    let entryBytes = weight.byteCount / max(1, weight.rows * weight.columns)
    return [UInt8](unsafeUninitializedCapacity: blocks * NF4.block / 2) { codes, count in
      nonisolated(unsafe) let out = codes.baseAddress
      pool.blocks(of: blocks, by: blocksOfPiece) { range in
        guard let out else { return }
        kernels.nf4_quantize(
          out + range.lowerBound * NF4.block / 2, entries + range.lowerBound * NF4.block * entryBytes, type,
          Int64(range.count))
      }
      count = blocks * NF4.block / 2
    }
  }

  /// The matrix in NF4, in its own memory; nil if an entry is not finite.
  /// - Precondition: as for `blockMaxima`.
  package static func quantized(_ weight: Weight, _ pool: ThreadPool) -> Weight? {
    guard let maxima = blockMaxima(of: weight, pool) else { return nil }
    let scales = scales(of: maxima, offset: offset(of: maxima), pool)
    let parts = Parts(codes(of: weight, pool), scales)
    return Weight(
      nf4: parts.codes, scaleCodes: parts.scaleCodes, scaleMaxima: parts.maxima.base, offset: scales.offset,
      rows: weight.rows, columns: weight.columns, owner: parts)
  }

  /// Blocks that a thread takes at a time.
  private static let blocksOfPiece = 4096

  private static func blockCount(_ weight: Weight) -> Int {
    precondition(
      weight.columns.isMultiple(of: NF4.block), "rows of \(weight.columns) entries are not blocks of \(NF4.block)")
    return weight.rows * weight.columns / NF4.block
  }

  /// Keeps the quantised parts in memory, so that pointers into them stay valid.
  private final class Parts {
    private let bytes: Storage
    let maxima: Storage
    let codes: UnsafeRawPointer
    let scaleCodes: UnsafePointer<UInt8>

    init(_ codes: [UInt8], _ scales: NF4.Scales) {
      bytes = Storage(count: (codes.count + scales.codes.count + 3) / 4)
      maxima = Storage(count: scales.maxima.count)
      let start = UnsafeMutableRawPointer(bytes.base)
      start.copyMemory(from: codes, byteCount: codes.count)
      (start + codes.count).copyMemory(from: scales.codes, byteCount: scales.codes.count)
      maxima.base.update(from: scales.maxima, count: scales.maxima.count)
      self.codes = UnsafeRawPointer(start)
      scaleCodes = UnsafeRawPointer(start + codes.count).assumingMemoryBound(to: UInt8.self)
    }
  }
}
