// One process works while others wait.

import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct FileLockTests {
  private struct Stop: Error {}

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test(arguments: ["/lock", ""]) func `who waits can stop waiting`(name: String) throws {
    let path = directory.path + name
    try FileLock.hold(path) {
      var turns = 0
      #expect(throws: Stop.self) {
        try FileLock.hold(
          path,
          onWait: {
            turns += 1
            if turns == 2 { throw Stop() }
          }
        ) { Issue.record("two hold the lock") }
      }
      #expect(turns == 2)
    }
    #expect(try FileLock.hold(path, onWait: { throw Stop() }, { 1 }) == 1)
  }

  @Test func `a lock has the permissions that are asked for, and is no link`() throws {
    let path = directory.path + "/lock"
    try FileLock.hold(path) {}
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    try FileManager.default.createSymbolicLink(atPath: directory.path + "/link", withDestinationPath: path)
    #expect(throws: WriteError.self) { try FileLock.hold(directory.path + "/link") {} }
  }
}
