import Tensors
import Testing

@Suite struct ChecksumTests {
  private let numbers = Storage(count: 200_001)

  init() { for i in 0..<numbers.count { numbers.base[i] = Float(i % 977) * 0.25 - 100 } }

  private func sum(threads: Int = 1) -> UInt64 {
    Checksum.of(numbers.base, count: numbers.count, ThreadPool(threads: threads))
  }

  @Test func `threads do not change it`() { #expect(sum(threads: 1) == sum(threads: 3)) }

  @Test func `every flipped bit changes it`() {
    let whole = sum()
    for place in [0, 1, 65535, 65536, 131_071, 200_000] {
      for bit in 0..<32 {
        let kept = numbers.base[place]
        numbers.base[place] = Float(bitPattern: kept.bitPattern ^ 1 << UInt32(bit))
        #expect(sum() != whole, "entry \(place), bit \(bit)")
        numbers.base[place] = kept
      }
    }
    #expect(sum() == whole)
  }

  @Test func `another order changes it`() {
    let whole = sum()
    (numbers.base[3], numbers.base[70_000]) = (numbers.base[70_000], numbers.base[3])
    #expect(sum() != whole)
  }
}
