// Copies of the launchers, beside the built program or a script that replaces it.

import Foundation
import TestSupport

extension RunFixture {
  /// The standard error of all programs of the fixture until now.
  var told: String { ((try? names(".")) ?? []).filter { $0.hasSuffix(".err") }.compactMap { try? text($0) }.joined() }

  /// Starts a copy of a launcher beside the built program, or beside a script that replaces it.
  /// - Parameters:
  ///   - standIn: the script; what it does for a job.
  ///   - runs: whether it can be run at all, which launchers ask first.
  ///   - edits: texts of supervise.sh to be replaced.
  func launch(
    _ name: String, _ arguments: [String], standIn: String? = nil, runs: Bool = true, edits: [String: String] = [:],
    environment: [String: String] = [:]
  ) throws -> Job {
    let (files, release) = (FileManager.default, path("home/.build/release"))
    if !exists("home") {
      try files.createDirectory(atPath: release, withIntermediateDirectories: true)
      try files.copyItem(atPath: "\(Repository.path)/launch", toPath: path("home/launch"))
      if let standIn {
        let answer = runs ? "[[ $1 = --version ]] && exit\n" : ""
        try write("home/.build/release/shoal", "#!/bin/bash\n\(answer)\(standIn)\n")
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(release)/shoal")
      } else {
        try files.createSymbolicLink(atPath: "\(release)/shoal", withDestinationPath: Job.program)
      }
      for (old, new) in edits { try replace(old, by: new, in: "home/launch/supervise.sh") }
    }
    return try Job([path("home/launch/\(name)")] + arguments, in: self, environment: environment)
  }
}
