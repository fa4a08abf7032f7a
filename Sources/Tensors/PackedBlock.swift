// The size of the weight block that a product packs at a time.

internal import CShoal

/// A packed block and its part of the result fit in a core's L2 cache.
enum PackedBlock {
  static let columns = 128
  /// Numbers of a block; every thread has scratch for them.
  static let count = Int(SHOAL_DEPTH_BLOCK) * columns
}
