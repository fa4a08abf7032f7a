// Finds the processes of one fixture by their working directory: those of its job, and those left by that job.

import Foundation
import Glibc
import TestSupport

/// A process that works in a fixture's directory.
struct LocalProcess {
  let id: Int32
  /// The program's name: shoal, mpirun, local.sh.
  let name: String
  /// Its rank, if mpirun started it.
  let rank: Int?

  /// All processes of a fixture, without zombies.
  static func all(in fixture: RunFixture) -> [LocalProcess] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap(Int32.init).filter { directory(of: $0) == fixture.path }.map { id in
      let rank = entries(of: id, "environ").first { $0.hasPrefix("OMPI_COMM_WORLD_RANK=") }
      return LocalProcess(
        id: id, name: text(of: id, "comm").trimmingCharacters(in: .newlines),
        rank: rank.flatMap { Int($0.split(separator: "=")[1]) })
    }
  }

  /// A description of the process and its state, for messages.
  var description: String {
    let state = Self.text(of: id, "status").split(separator: "\n").first { $0.hasPrefix("State:") } ?? ""
    return "\(id) \(name)\(rank.map { " rank \($0)" } ?? "") \(state) \(Self.text(of: id, "wchan"))"
  }

  /// Waits up to ten seconds until no process of the fixture is left.
  /// - Returns: the processes that were left then and were killed.
  static func waitForNone(in fixture: RunFixture) -> [String] {
    let deadline = ContinuousClock.now + .seconds(10)
    while true {
      let left = all(in: fixture)
      if left.isEmpty { return [] }
      if ContinuousClock.now > deadline {
        let descriptions = left.map(\.description)
        for process in left { kill(process.id, SIGKILL) }
        return descriptions
      }
      usleep(10_000)
    }
  }

  private static func directory(of id: Int32) -> String? {
    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")
  }

  /// Uses a handle: Foundation's shorter functions read only 4 KiB of a file that reports size 0.
  private static func text(of id: Int32, _ file: String) -> String {
    guard let handle = FileHandle(forReadingAtPath: "/proc/\(id)/\(file)") else { return "" }
    return String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
  }

  private static func entries(of id: Int32, _ file: String) -> [Substring] {
    text(of: id, file).split(separator: "\0")
  }
}
