// Campaigns of the fault injector: the number of faults of each kind, and their entry in docs/results/faults.md.

import Foundation
import Glibc
import TestSupport

/// The settings of `make faults`.
struct FaultCampaign {
  /// The approximate number of processes that are hit, and the maximum number of points of a sweep.
  let size: Int
  let seed: UInt64
  /// What the disturbed runs train.
  let trained: [Trained]

  static let requested: FaultCampaign? = {
    let environment = ProcessInfo.processInfo.environment
    guard let size = environment["SHOAL_FAULTS"].flatMap({ Int($0) }), size > 0 else { return nil }
    let trained = environment["SHOAL_FAULT_TRAINED"].flatMap(Trained.init)
    return FaultCampaign(size: size, seed: requestedSeed, trained: trained.map { [$0] } ?? Trained.allCases)
  }()
  /// The short form uses it too.
  static let requestedSeed = ProcessInfo.processInfo.environment["SHOAL_FAULT_SEED"].flatMap { UInt64($0) } ?? 1

  /// Stop requests and their receivers.
  static let stops: [(Int32, Victim)] = [
    (SIGUSR1, .mpirun), (SIGUSR1, .program), (SIGTERM, .program), (SIGINT, .program), (SIGUSR1, .rank0),
    (SIGTERM, .otherRank), (SIGTERM, .launcher), (SIGUSR1, .launcher), (SIGINT, .launcher), (SIGHUP, .launcher),
    (SIGTERM, .mpirun), (SIGTERM, .mpirun),
  ]

  func run(in injector: FaultInjector) throws {
    func drawn() -> Trained { injector.draw(trained) }
    for turn in 0..<size { try injector.kill([Victim.allCases[turn % Victim.allCases.count]], of: drawn()) }
    for _ in 0..<size / 10 { try injector.kill((0..<3).map { _ in injector.draw(Victim.allCases) }, of: drawn()) }
    for turn in 0..<size / 4 {
      let (signal, victim) = Self.stops[turn % Self.stops.count]
      try injector.stop(signal, to: victim, of: drawn())
    }
    for turn in 0..<size / 10 { try injector.pause(Victim.allCases[turn % Victim.allCases.count], of: drawn()) }
    for turn in 0..<max(1, size / 20) {
      try injector.stall([.rank0, .otherRank, .launchedRank][turn % 3], of: drawn())
    }
    for trained in trained {
      for size in points(trained.diskKibibytes, share(size / 3)) { try injector.fillDisk(kibibytes: size, of: trained) }
      for size in points(trained.fileKibibytes, share(size / 6)) {
        try injector.limitFiles(kibibytes: size, of: trained)
      }
    }
    for kind in FileKind.allCases {
      for _ in 0..<max(1, size / 20) { try injector.damage(kind, .bit, of: drawn()) }
      for turn in 0..<max(1, size / 20) {
        let others = Damage.allCases.filter { $0 != .bit }
        try injector.damage(kind, others[turn % others.count], of: drawn())
      }
    }
    for trained in trained {
      let writes = try injector.countCalls(.writes, of: trained)
      for fault in CallFault.ofWrites {
        for number in points(1..<writes + 1, share(size)) { try injector.spoil(number, fault, of: trained) }
      }
      for number in points(1..<writes + 1, share(size / 4)) {
        try injector.spoil(number, .kills, of: trained, from: .ranks(injector.draw(2..<4)))
      }
      let reads = try injector.countCalls(.reads, of: trained)
      for fault in CallFault.ofReads {
        for number in points(1..<reads + 1, share(size / 2)) { try injector.spoil(number, fault, .reads, of: trained) }
      }
    }
  }

  /// The part of a number of faults that falls to one of the things that are trained.
  private func share(_ faults: Int) -> Int { (faults + trained.count - 1) / trained.count }

  /// At most `most` numbers of a range, evenly spaced.
  private func points(_ range: Range<Int>, _ most: Int) -> [Int] {
    let count = min(range.count, max(most, 1))
    return (0..<count).map { range.lowerBound + $0 * range.count / count }
  }

  /// Appends the tally to docs/results/faults.md.
  func report(_ tally: FaultTally, seconds: Double) throws {
    let url = URL(fileURLWithPath: "\(Repository.path)/docs/results/faults.md")
    var text = try String(contentsOf: url, encoding: .utf8)
    while text.hasSuffix("\n") { text.removeLast() }
    text += "\n\n### \(Self.date), \(Self.machine), commit \(Self.commit)\n\n"
    let choice = trained.count == 1 ? " TRAINED=\(trained[0])" : ""
    text += "`make faults FAULTS=\(size) SEED=\(seed)\(choice)`, \(Int(seconds / 60)) minutes\n\n\(tally.markdown)"
    try Data(text.utf8).write(to: url)
  }

  private static var date: String {
    let date = Calendar(identifier: .iso8601).dateComponents([.year, .month, .day], from: Date())
    return String(format: "%04d-%02d-%02d", date.year ?? 0, date.month ?? 0, date.day ?? 0)
  }

  private static var machine: String {
    #if arch(x86_64)
      let architecture = "x86-64"
    #else
      let architecture = "Arm"
    #endif
    var loads = [0.0, 0.0, 0.0]
    getloadavg(&loads, 3)
    let load = String(format: "%.1f", loads[2])
    return "\(ProcessInfo.processInfo.activeProcessorCount) cores (load \(load)), \(architecture)"
  }

  private static var commit: String {
    func git(_ arguments: String...) -> String {
      let process = Process()
      let output = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["git", "-C", Repository.path] + arguments
      process.standardOutput = output
      guard (try? process.run()) != nil else { return "" }
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let isChanged = !git("status", "--porcelain", "--", "Sources", "Tests", "launch").isEmpty
    return git("rev-parse", "--short", "HEAD") + (isChanged ? " and changes" : "")
  }
}
