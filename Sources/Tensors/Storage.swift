// Memory of matrices: taken once, aligned, zero when fresh, given back as a whole.

import Glibc

/// An aligned block of fp32 numbers, zero when fresh.
///
/// The pages come straight from the system, so what is never touched is never resident.
package final class Storage: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Float>
  package let count: Int
  let bytes: Int

  /// - Precondition: the system can map `count` numbers; a run's memory is planned before it starts.
  package init(count: Int) {
    bytes = max(count, 1) * MemoryLayout<Float>.stride
    // Without a reserve: whether there is enough is asked when the pages are taken.
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let pages = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)
    precondition(pages != MAP_FAILED, "cannot map \(bytes) bytes of memory")
    // Large pages where the system offers them: a matrix spans thousands of small ones.
    if bytes >= 1 << 22 { madvise(pages, bytes, MADV_HUGEPAGE) }
    base = pages!.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { munmap(base, bytes) }
}
