// Locks in memory that processes share.

internal import CShoal

/// One lock for each block of an arena to which threads and processes add at the same time.
///
/// The memory is 0 at first. A process that dies with a lock leaves the others waiting: whoever watches the processes
/// must end them.
package struct BlockLocks: @unchecked Sendable {
  private let words: UnsafeMutablePointer<Int32>
  private let block: Int

  /// - Parameter memory: `count` numbers.
  package init(_ memory: UnsafeMutablePointer<Float>, block: Int) {
    words = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Int32.self)
    self.block = block
  }

  /// The locks of an arena.
  package static func count(_ arena: Int, _ block: Int) -> Int { (arena + block - 1) / block }

  /// Runs `body` for the parts of a range of the arena that are in one block each, and holds its lock.
  func forEachBlock(of range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    while start < range.upperBound {
      let number = start / block
      let end = min(range.upperBound, (number + 1) * block)
      shoal_lock(words + number)
      body(start..<end)
      shoal_unlock(words + number)
      start = end
    }
  }
}
