// The block of a weight that a product packs at a time.

internal import CShoal

/// A packed block and its part of the result stay in a core's L2 cache.
enum PackedBlock {
  static let columns = 128
  /// Numbers of a block, which every thread has scratch for.
  static let count = Int(SHOAL_DEPTH_BLOCK) * columns
}
