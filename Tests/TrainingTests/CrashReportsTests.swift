// The reports of crashes, and the records that they incriminate.

import Foundation
import Runtime
import TestSupport
import Testing
import Training

@Suite struct CrashReportsTests {
  private func report(_ training: [Int], heldOut: [Int] = [], data: String = "d") -> String {
    #"{"rank":1,"data":"\#(data)","records":{"training":\#(training),"held_out":\#(heldOut)},"signal":11}"# + "\n"
  }

  private func reports(_ files: [String: String]) throws -> CrashReports {
    let scratch = try TemporaryDirectory()
    for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: scratch.path(name))) }
    return CrashReports(RunDirectory(scratch.path), data: "d")
  }

  @Test func `twice under way is once too often`() throws {
    let found = try reports([
      "crash-10-0.json": report([3, 4, 5], heldOut: [1]), "crash-11-1.json": report([5, 6], heldOut: [2]),
      "crash-12-0.json": report([7], heldOut: [2]),
    ])
    #expect(found.repeated == Quarantine(training: [5], heldOut: [2]))
    #expect(found.once == Quarantine(training: [3, 4, 6, 7], heldOut: [1]))
  }

  @Test func `reports that say nothing are passed over`() throws {
    let whole = report([3])
    let found = try reports([
      "crash-10-0.json": whole, "crash-11-0.json": String(whole.dropLast(4)), "crash-12-0.json": "",
      "crash-13-0.json": report([3], data: "other"), "crash-14-0.json": report([-3, 3]), "crash-x.json": whole,
      "notes.json": whole,
    ])
    #expect(found.repeated.isEmpty)
    #expect(found.once == Quarantine(training: [3]))
  }
}
