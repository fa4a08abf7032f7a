// The fault injector: a few faults of every kind in every test run, and campaigns of any length (make faults). Every
// disturbed run ends with the adapter of an undisturbed run, or with a clear refusal.

import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite struct FaultTests {
    private static let short = ConditionTrait.disabled(if: FaultCampaign.requested != nil, "a campaign has them all")
    private let injector = FaultInjector(seed: FaultCampaign.requestedSeed)

    private func check(_ injector: FaultInjector) {
      #expect(injector.tally.complaints.isEmpty)
      #expect(injector.tally.injected > 0 && injector.escaped == 0)
    }

    @Test(short) func `killed processes`() throws {
      for victim in [Victim.program, .rank0, .mpirun, .launcher] { try injector.kill([victim]) }
      check(injector)
    }

    @Test(short) func `stop requests and stopped ranks`() throws {
      try injector.stop(SIGUSR1, to: .otherRank)
      try injector.stop(SIGTERM, to: .launcher)
      try injector.stop(SIGTERM, to: .mpirun)
      try injector.pause(.otherRank)
      try injector.stall(.otherRank)
      check(injector)
    }

    @Test(short) func `full disks`() throws {
      for kibibytes in [300, 1500] { try injector.fillDisk(kibibytes: kibibytes) }
      try injector.limitFiles(kibibytes: 20)
      check(injector)
    }

    @Test(short) func `failing calls`() throws {
      let writes = try injector.countCalls(.writes, of: .brief)
      #expect(writes > 100)
      for fault in CallFault.ofWrites { try injector.spoil(injector.draw(0..<writes) + 1, fault) }
      let reads = try injector.countCalls(.reads, of: .long)
      #expect(reads > 50)
      for fault in CallFault.ofReads { try injector.spoil(injector.draw(0..<reads) + 1, fault, .reads) }
      check(injector)
    }

    @Test(short) func `damaged files`() throws {
      for kind in FileKind.allCases { try injector.damage(kind, .bit) }
      check(injector)
    }

    @Test(.enabled(if: FaultCampaign.requested != nil, "make faults asks for it"))
    func campaign() throws {
      guard let campaign = FaultCampaign.requested else { return }
      let injector = FaultInjector(seed: campaign.seed, isCampaign: true)
      let began = ContinuousClock.now
      try campaign.run(in: injector)
      if injector.escaped > 0 { injector.omit("\(injector.escaped) faults, because every run was over before") }
      try campaign.report(injector.tally, seconds: (ContinuousClock.now - began) / .seconds(1))
      #expect(injector.tally.complaints.isEmpty)
    }
  }
}
