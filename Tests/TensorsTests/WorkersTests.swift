import Synchronization
import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

/// Loops of threads that stay awake.
@Suite struct WorkersTests {
  private struct Stop: Error {}

  @Test(arguments: [1, 2, 5])
  func `every piece of every loop runs once`(threads: Int) {
    let workers = Workers(threads: threads)
    for _ in 0..<20 {
      workers.awake {
        for loop in 0..<300 {
          let count = loop % 37
          let done = Storage(count: 40)
          let inner = Atomic(0)
          workers.run(count) { piece, scratch in
            // The scratch is the thread's own: nobody else writes it meanwhile.
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
    let workers = Workers(threads: 2)
    func sum() -> Int {
      let sum = Atomic(0)
      workers.run(100) { piece, _ in sum.add(piece, ordering: .relaxed) }
      return sum.load(ordering: .relaxed)
    }
    workers.awake {
      for pause in [0, 50, 1000, 20_000] {
        usleep(UInt32(pause))
        #expect(sum() == 4950)
      }
    }
    #expect(throws: Stop.self) {
      try workers.awake {
        #expect(sum() == 4950)
        throw Stop()
      }
    }
    #expect(sum() == 4950)
    #expect(workers.awake { sum() } == 4950)
  }
}
