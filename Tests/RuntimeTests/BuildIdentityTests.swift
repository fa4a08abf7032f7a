import Collectives
import Runtime
import Testing

@Suite struct BuildIdentityTests {
  private func telling(_ ranks: [[String: String]]) -> [String] {
    BuildIdentity.telling(WorldCheck.compare(ranks)).map(\.key)
  }

  @Test func `unlike architectures need the same kernels and may have unlike binaries`() {
    let one = ["version": "1", "kernels": "3", "binary": "a", "architecture": "x86_64"]
    #expect(telling([one, one]) == [])
    #expect(telling([one, one.merging(["binary": "b"]) { $1 }]) == ["binary"])
    #expect(telling([one, one.merging(["binary": "b", "architecture": "aarch64"]) { $1 }]) == [])
    let other = ["binary": "b", "architecture": "aarch64", "kernels": "4"]
    #expect(telling([one, one.merging(other) { $1 }]) == ["kernels"])
  }
}
