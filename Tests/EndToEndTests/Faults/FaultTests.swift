// The fault lab: a few faults of every kind in every test run, and campaigns of any length (make faults).

import Foundation
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Musl
#endif

extension EndToEnd {
  @Suite struct FaultTests {
    private static func check(_ lab: FaultLab) {
      #expect(lab.tally.complaints.isEmpty)
    }

    @Test func kills() throws {
      let lab = FaultLab(seed: 1)
      for victim in Victim.allCases { try lab.kill([victim], as: "kill -9 of \(victim.rawValue)") }
      Self.check(lab)
    }
  }
}
