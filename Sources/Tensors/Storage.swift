// Memory of matrices: taken once, aligned, zero when fresh, given back as a whole.

import Glibc
import Synchronization

/// An aligned block of fp32 numbers, zero when fresh.
///
/// The pages come straight from the system, so what is never touched is never resident.
package final class Storage: @unchecked Sendable {
  package let base: UnsafeMutablePointer<Float>
  package let count: Int
  private let bytes: Int

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

  /// Takes the pages of fresh storages now, all threads at it: a large step would spend a tenth of its time on them.
  /// - Throws: `MemoryShortage` when the system has too few, before it runs out of them.
  package static func populate(_ storages: [Storage], _ pool: ThreadPool) throws {
    let needed = storages.reduce(0) { $0 + $1.bytes }
    if let available = ProcessMemory.availableBytes, needed > available {
      throw MemoryShortage(needed: needed, available: available)
    }
    let block = 1 << 26
    let pieces = storages.flatMap { storage in
      stride(from: 0, to: storage.bytes, by: block).map { (storage, $0, min(block, storage.bytes - $0)) }
    }
    let shortage = Atomic(false)
    pool.run(pieces.count) { piece, _ in
      let (storage, start, count) = pieces[piece]
      let address = UnsafeMutableRawPointer(storage.base) + start
      guard madvise(address, count, populateWrite) != 0 else { return }
      if errno == ENOMEM || errno == EFAULT {
        shortage.store(true, ordering: .relaxed)
      } else {
        // Kernels before 5.14 have no such advice.
        memset(address, 0, count)
      }
    }
    if shortage.load(ordering: .relaxed) {
      throw MemoryShortage(needed: needed, available: ProcessMemory.availableBytes ?? 0)
    }
  }

  /// MADV_POPULATE_WRITE, which older headers lack.
  private static let populateWrite: Int32 = 23
}

/// The machine has less memory than a run needs.
package struct MemoryShortage: UserError {
  package let needed, available: Int

  package var description: String {
    "\(ByteCount.text(needed)) of memory are needed for activations, \(ByteCount.text(available)) are free: set "
      + "gradient_checkpointing: auto, shorten the examples, or start fewer ranks on this machine"
  }
}
