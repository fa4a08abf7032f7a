import Checkpoints
import Foundation
import TestSupport
import Testing
import Training

/// The files in `tensorboard/` of a run directory.
@Suite struct RunEventsTests {
  @Test func `a start voids its first step and later ones`() throws {
    let scratch = try TemporaryDirectory()
    let files = RunDirectory(scratch.path)
    let paths = try [0, 5].map { try files.eventFile(firstStep: $0).path }
    #expect(try paths.map { try EventFileEntry.entries(of: $0).map(\.step) } == [[0, 0], [0, 5]])
    #expect(try paths.allSatisfy { try EventFileEntry.entries(of: $0).last?.content == .start })
    #expect(paths == paths.sorted() && paths[0] != paths[1])
    #expect(paths.allSatisfy { $0.hasPrefix(scratch.path("tensorboard/")) })
  }

  @Test func `an earlier run's event files are removed and other files stay`() throws {
    let scratch = try TemporaryDirectory()
    let files = RunDirectory(scratch.path)
    let path = try files.eventFile(firstStep: 0).path
    try Data().write(to: URL(fileURLWithPath: scratch.path("tensorboard/notes.txt")))
    try files.removeRun(keeping: nil)
    #expect(!FileManager.default.fileExists(atPath: path))
    #expect(FileManager.default.fileExists(atPath: scratch.path("tensorboard/notes.txt")))
  }
}
