// Memory of matrices: allocated once, aligned, zero at first, freed as a whole.

import Glibc

/// An aligned block of fp32 numbers, zero at first.
///
/// The pages come directly from the system, so pages that are never touched are never resident.
package final class Storage: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Float>
  package let count: Int
  let bytes: Int

  /// - Precondition: the system can map `count` numbers; a run's memory is planned before it starts.
  package init(count: Int) {
    bytes = max(count, 1) * MemoryLayout<Float>.stride
    // MAP_NORESERVE: memory is checked when the pages are taken, not here.
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let pages = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
    precondition(pages != MAP_FAILED, "cannot map \(bytes) bytes of memory")
    // Large pages where the system offers them: a matrix spans thousands of small pages.
    if bytes >= 1 << 22 { madvise(pages, bytes, MADV_HUGEPAGE) }
    base = pages!.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }

  /// Memory that processes share.
  /// - Parameter descriptor: of at least `count` numbers; stays open.
  /// - Returns: nil when the system cannot map it.
  package init?(sharing descriptor: Int32, count: Int) {
    bytes = max(count, 1) * MemoryLayout<Float>.stride
    let pages = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard pages != MAP_FAILED, let pages else { return nil }
    base = pages.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }

  /// The memory as 64-bit integers.
  package var integers: UnsafeMutableBufferPointer<Int64> {
    UnsafeMutableBufferPointer(
      start: UnsafeMutableRawPointer(base).assumingMemoryBound(to: Int64.self), count: count / 2)
  }

  deinit { munmap(base, bytes) }
}
