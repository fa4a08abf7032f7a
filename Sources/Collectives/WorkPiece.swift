// What a work queue hands out.

/// An item of work on its way to a rank, and how much work it is compared with others of its phase.
package struct WorkPiece: Sendable {
  package var bytes: [UInt8]
  package var cost: Double

  package init(bytes: [UInt8], cost: Double = 1) { (self.bytes, self.cost) = (bytes, cost) }
}
