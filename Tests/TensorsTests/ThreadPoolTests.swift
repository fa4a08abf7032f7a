import Glibc
import Synchronization
import Tensors
import Testing

/// Tests loops of spinning threads.
@Suite struct ThreadPoolTests {
  private struct Stop: Error {}

  @Test(arguments: [1, 2, 5])
  func `every piece of every loop runs once`(threads: Int) {
    let pool = ThreadPool(threads: threads)
    for _ in 0..<20 {
      pool.withSpinningThreads {
        for loop in 0..<300 {
          let count = loop % 37
          let done = Storage(count: 40)
          let inner = Atomic(0)
          pool.run(count) { piece, scratch in
            // Each thread has its own scratch, so no other thread writes it meanwhile.
            scratch[0] = Float(piece)
            done.base[piece] += 1
            inner.add(1, ordering: .relaxed)
            if scratch[0] != Float(piece) { inner.add(1000, ordering: .relaxed) }
          }
          #expect(inner.load(ordering: .relaxed) == count)
          #expect((0..<40).allSatisfy { done.base[$0] == ($0 < count ? 1 : 0) })
        }
      }
    }
  }

  @Test func `loops after a long rest, and after an error`() {
    let pool = ThreadPool(threads: 2)
    func sum() -> Int {
      let sum = Atomic(0)
      pool.run(100) { piece, _ in sum.add(piece, ordering: .relaxed) }
      return sum.load(ordering: .relaxed)
    }
    pool.withSpinningThreads {
      for pause in [0, 50, 1000, 20_000] {
        usleep(UInt32(pause))
        #expect(sum() == 4950)
      }
    }
    #expect(throws: Stop.self) {
      try pool.withSpinningThreads {
        #expect(sum() == 4950)
        throw Stop()
      }
    }
    #expect(sum() == 4950)
    #expect(pool.withSpinningThreads { sum() } == 4950)
  }
}
