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
    private let lab = FaultLab(seed: 1, tells: true)

    private func check() { #expect(lab.tally.complaints.isEmpty) }

    @Test func kills() throws {
      for victim in Victim.allCases { try lab.kill([victim], as: "kill -9 of \(victim.rawValue)") }
      check()
    }

    @Test func stops() throws {
      try lab.stop(SIGUSR1, to: .mpirun, as: "SIGUSR1 to mpirun")
      try lab.stop(SIGTERM, to: .mpirun, as: "SIGTERM to mpirun")
      try lab.stop(SIGTERM, to: .program, as: "SIGTERM to program")
      try lab.stop(SIGTERM, to: .launcher, as: "SIGTERM to launcher")
      try lab.stop(SIGUSR1, to: .otherRank, as: "SIGUSR1 to rank")
      try lab.pause(.otherRank, as: "SIGSTOP")
      check()
    }

    @Test func calls() throws {
      let count = try lab.countCalls(.writes, of: .brief)
      let reads = try lab.countCalls(.reads, of: .brief)
      FaultLab.tell("\(count) \(reads)")
      for fault in CallFault.ofWrites {
        for _ in 0..<4 { try lab.spoil(lab.draw(0..<count) + 1, fault, as: "a call that \(fault.name)") }
      }
      for fault in CallFault.ofReads {
        for _ in 0..<4 { try lab.spoil(lab.draw(0..<count) + 1, fault, .reads, as: "a read that \(fault.name)") }
      }
      check()
    }

    @Test func disks() throws {
      for size in [100, 700, 1400, 2000] {
        try lab.fillDisk(kibibytes: size, from: .alone(threads: 1), as: "a full disk")
        try lab.limitFiles(kibibytes: size / 10, as: "a file limit")
      }
      check()
    }

    @Test func bytes() throws {
      for kind in FileKind.allCases {
        for damage in Damage.allCases { try lab.damage(kind, damage, as: "\(kind.rawValue): \(damage.rawValue)") }
      }
      check()
    }
  }
}
