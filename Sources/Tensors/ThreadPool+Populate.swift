// Allocates memory pages before they are needed.

import Glibc
import Synchronization

extension Storage {
  /// Sets every number to zero, on all threads.
  package func clear(_ pool: ThreadPool) {
    nonisolated(unsafe) let base = base
    pool.blocks(of: count, by: 1 << 18) { range in
      (base + range.lowerBound).update(repeating: 0, count: range.count)
    }
  }
}

extension ThreadPool {
  /// Allocates the pages of fresh storages now, on all threads: a large step would spend a tenth of its time on it.
  /// - Throws: `MemoryShortage` if the system has too little memory, before it runs out.
  package func populate(_ storages: [Storage]) throws {
    let needed = storages.reduce(0) { $0 + $1.bytes }
    if let available = ProcessMemory.availableBytes, needed > available {
      throw MemoryShortage(needed: needed, available: available)
    }
    let block = 1 << 26
    let pieces = storages.flatMap { storage in
      stride(from: 0, to: storage.bytes, by: block).map { (storage, $0, min(block, storage.bytes - $0)) }
    }
    let shortage = Atomic(false)
    run(pieces.count) { piece, _ in
      let (storage, start, count) = pieces[piece]
      let address = UnsafeMutableRawPointer(storage.base) + start
      guard madvise(address, count, Self.populateWrite) != 0 else { return }
      if errno == ENOMEM || errno == EFAULT {
        shortage.store(true, ordering: .relaxed)
      } else {
        // Kernels before 5.14 do not support this advice.
        memset(address, 0, count)
      }
    }
    if shortage.load(ordering: .relaxed) {
      throw MemoryShortage(needed: needed, available: ProcessMemory.availableBytes ?? 0)
    }
  }

  /// MADV_POPULATE_WRITE, which older headers do not define.
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
