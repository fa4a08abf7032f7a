// The fault injector: a few faults of every kind in every test run, and campaigns of any length (make faults). Every
// disturbed run ends with the weights of an undisturbed run, or with a clear refusal.

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
      try injector.kill([.program], of: .adapter)
      try injector.kill([.rank0], of: .model)
      try injector.kill([.mpirun], of: .adapter)
      try injector.kill([.launcher], of: .model)
      check(injector)
    }

    @Test(short) func `stop requests and stopped ranks`() throws {
      try injector.stop(SIGUSR1, to: .otherRank, of: .model)
      try injector.stop(SIGTERM, to: .launcher, of: .adapter)
      try injector.stop(SIGTERM, to: .mpirun, of: .model)
      try injector.pause(.otherRank, of: .adapter)
      try injector.stall(.otherRank, of: .model)
      check(injector)
    }

    @Test(short) func `full disks`() throws {
      for kibibytes in [300, 1500] { try injector.fillDisk(kibibytes: kibibytes, of: .adapter) }
      try injector.fillDisk(kibibytes: 35_000, of: .model)
      try injector.limitFiles(kibibytes: 20, of: .adapter)
      try injector.limitFiles(kibibytes: 500, of: .model)
      check(injector)
    }

    @Test(short) func `failing calls`() throws {
      try spoil(CallFault.ofWrites, .writes, moreThan: 100)
      try spoil(CallFault.ofReads, .reads, moreThan: 50)
      check(injector)
    }

    @Test(short) func `damaged files`() throws {
      for (number, kind) in FileKind.allCases.enumerated() { try injector.damage(kind, .bit, of: Self.trained(number)) }
      try injector.damage(.partial, .bit, of: .model)
      check(injector)
    }

    /// In turn, so that every kind of fault is in every test run, and the whole takes no longer.
    private static func trained(_ number: Int) -> Trained { number.isMultiple(of: 2) ? .model : .adapter }

    private func spoil(_ faults: [CallFault], _ group: CallGroup, moreThan least: Int) throws {
      let calls = try Trained.allCases.map { try ($0, injector.countCalls(group, of: $0)) }
      for (trained, count) in calls { #expect(count > least, "\(trained)") }
      for (number, fault) in faults.enumerated() {
        for (trained, count) in calls where trained == Self.trained(number) {
          try injector.spoil(injector.draw(0..<count) + 1, fault, group, of: trained)
        }
      }
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
