import Foundation
import Tensors
import Testing

@Suite struct PhaseClockTests {
  @Test func `time counts towards the phase that was entered`() {
    let clock = PhaseClock()
    let began = ContinuousClock.now
    clock.enter(.idle)
    Thread.sleep(forTimeInterval: 0.03)
    clock.enter(.linears)
    Thread.sleep(forTimeInterval: 0.01)
    let seconds = clock.seconds
    let elapsed = Double((ContinuousClock.now - began) / .milliseconds(1)) * 1e-3
    #expect(seconds[.idle] >= 0.03 && seconds[.linears] >= 0.01 && seconds[.head] == 0)
    #expect(seconds.total <= elapsed + 0.001)
    #expect((clock.seconds - seconds)[.idle] == 0)
  }

  @Test func `kernels name their phases`() {
    let pool = ThreadPool(threads: 1, scratchCount: Attention.scratchCount(headWidth: 4))
    let x = Matrix(rows: 64, columns: 64)
    let before = pool.clock.seconds
    Products.compute(x, [.timesTransposed(x, x)], phase: .head, pool)
    let products = pool.clock.seconds
    Kernels.scale(x, by: 2, pool)
    let after = pool.clock.seconds
    #expect((products - before)[.head] > 0 && (after - products)[.elementwise] > 0)
    #expect((after - before)[.linears] == 0)
  }
}

@Suite struct ByteCountTests {
  @Test func `sizes are written as they are read`() {
    #expect(ByteCount.text(512) == "512 bytes" && ByteCount.text(4_310_000_000) == "4.31 GB")
    #expect(ByteCount.text(7_049_999) == "7.05 MB")
    #expect(ByteCount.bytes(ByteCount.text(12_000_000_000)) == 12_000_000_000)
  }

  @Test func `fresh memory is resident once it is populated`() throws {
    let count = 4 << 20
    let storage = Storage(count: count)
    let (faults, resident) = (ProcessMemory.minorFaults, ProcessMemory.anonymousBytes)
    try ThreadPool(threads: 2).populate([storage])
    #expect(ProcessMemory.anonymousBytes - resident > 3 * count)
    #expect(ProcessMemory.minorFaults >= faults)
    #expect((0..<count).allSatisfy { storage.base[$0] == 0 })
    let populated = ProcessMemory.minorFaults
    storage.base.update(repeating: 1, count: count)
    // Other tests run in parallel; 16 MB of fresh small pages would cause 4096 faults.
    #expect(ProcessMemory.minorFaults - populated < 2048)
  }

  @Test func `more memory than the machine has is refused before it is taken`() throws {
    // Maps twice the free memory; mapping alone does not allocate it.
    let available = try #require(ProcessMemory.availableBytes)
    let storage = Storage(count: available / 2)
    let resident = ProcessMemory.anonymousBytes
    #expect(throws: MemoryShortage.self) { try ThreadPool(threads: 1).populate([storage]) }
    #expect(ProcessMemory.anonymousBytes - resident < 1 << 28)
  }
}
