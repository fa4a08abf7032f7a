// The fault lab: a few faults of every kind in every test run, and campaigns of any length (make faults). Whatever is
// done to a run, it ends in the adapter of one that nothing disturbs, or in a clear refusal.

import Foundation
import Glibc
import Testing

extension EndToEnd {
  @Suite struct FaultTests {
    private static let short = ConditionTrait.disabled(
      if: FaultCampaign.requested != nil, "a campaign has them all")
    private let lab = FaultLab(seed: FaultCampaign.requestedSeed)

    private func check(_ lab: FaultLab) {
      #expect(lab.tally.complaints.isEmpty)
      #expect(lab.tally.injected > 0 && lab.escaped == 0)
    }

    @Test(short) func `killed processes`() throws {
      for victim in [Victim.program, .rank0, .mpirun, .launcher] { try lab.kill([victim]) }
      check(lab)
    }

    @Test(short) func `stop requests and stopped ranks`() throws {
      try lab.stop(SIGUSR1, to: .otherRank)
      try lab.stop(SIGTERM, to: .launcher)
      try lab.stop(SIGTERM, to: .mpirun)
      try lab.pause(.otherRank)
      try lab.stall(.otherRank)
      check(lab)
    }

    @Test(short) func `full disks`() throws {
      for kibibytes in [300, 1500] { try lab.fillDisk(kibibytes: kibibytes) }
      try lab.limitFiles(kibibytes: 20)
      check(lab)
    }

    @Test(short) func `failing calls`() throws {
      let writes = try lab.countCalls(.writes, of: .brief)
      #expect(writes > 100)
      for fault in CallFault.ofWrites { try lab.spoil(lab.draw(0..<writes) + 1, fault) }
      let reads = try lab.countCalls(.reads, of: .long)
      #expect(reads > 50)
      for fault in CallFault.ofReads { try lab.spoil(lab.draw(0..<reads) + 1, fault, .reads) }
      check(lab)
    }

    @Test(short) func `damaged files`() throws {
      for kind in FileKind.allCases { try lab.damage(kind, .bit) }
      check(lab)
    }

    @Test(.enabled(if: FaultCampaign.requested != nil, "make faults asks for it"))
    func campaign() throws {
      guard let campaign = FaultCampaign.requested else { return }
      let lab = FaultLab(seed: campaign.seed, isCampaign: true)
      let began = ContinuousClock.now
      try campaign.run(in: lab)
      if lab.escaped > 0 { lab.omit("\(lab.escaped) faults, because every run was over before") }
      try campaign.report(lab.tally, seconds: (ContinuousClock.now - began) / .seconds(1))
      #expect(lab.tally.complaints.isEmpty)
    }
  }
}
