// The items that a work queue hands out.

/// An item of work for a rank, with its cost relative to other items of its phase.
package struct WorkPiece: Sendable {
  package var bytes: [UInt8]
  package var cost: Double

  package init(bytes: [UInt8], cost: Double = 1) { (self.bytes, self.cost) = (bytes, cost) }
}
