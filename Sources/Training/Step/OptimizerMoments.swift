// The optimizer's state between steps.

package import Tensors

/// AdamW's running means, or Lion's momentum alone, in the parameters' layout.
package struct OptimizerMoments: Sendable {
  package let first: Storage
  /// Running mean of squares.
  package let second: Storage?

  package init(count: Int, _ optimizer: OptimizerName) {
    first = Storage(count: count)
    second = optimizer == .adamW ? Storage(count: count) : nil
  }

  package var all: [Storage] { [first] + (second.map { [$0] } ?? []) }
}
