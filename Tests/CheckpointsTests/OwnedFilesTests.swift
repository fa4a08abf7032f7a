// Only what a manifest lists is removed, and an account of a removal is true.

import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct OwnedFilesTests {
  private func write(_ path: String) throws {
    try AtomicDirectory.write(to: path, neededBytes: 0) { directory in
      for name in ["a", "b"] { try directory.file(name, text: name) }
    }
  }

  @Test func `what the manifest lists is told from the rest`() throws {
    let scratch = try TemporaryDirectory()
    try write(scratch.path("x"))
    #expect(OwnedFiles(scratch.path("x"))?.names == ["a", "b", "manifest.json"])
    #expect(OwnedFiles(scratch.path("x"))?.others == [])
    try scratch.write("x/c", "mine")
    try scratch.makeDirectory("x/sub")
    try scratch.write("x/a", "A")
    try FileManager.default.removeItem(atPath: scratch.path("x/b"))
    try scratch.write("b", "b")
    try scratch.link("x/b", to: "../b")
    #expect(OwnedFiles(scratch.path("x"))?.names == ["manifest.json"])
    #expect(OwnedFiles(scratch.path("x"))?.others == ["a", "b", "c", "sub"])
    try scratch.link("link", to: "x")
    try scratch.makeDirectory("bare")
    try scratch.makeDirectory("linked")
    try scratch.link("linked/manifest.json", to: "../x/manifest.json")
    for name in ["link", "bare", "linked", "b", "nowhere"] { #expect(OwnedFiles(scratch.path(name)) == nil, "\(name)") }
  }

  @Test func `a removal takes nothing else and tells what it took`() throws {
    let scratch = try TemporaryDirectory()
    for name in ["x", "y", "z"] { try write(scratch.path(name)) }
    try scratch.makeDirectory("y/sub")
    try scratch.makeDirectory("others")
    try scratch.link("link", to: "z")
    var removal = Removal()
    for name in ["x", "y", "others", "link"] { try removal.remove(directory: scratch.path(name)) }
    #expect(removal.left == ["y/sub", "others", "link"].map(scratch.path))
    #expect(removal.removed == ["x", "y/a", "y/b", "y/manifest.json"].map(scratch.path))
    #expect(try scratch.names() == ["link", "others", "y", "z"])
    #expect(try scratch.names("y") == ["sub"])
    // A name that is too long to be made longer cannot be moved away first.
    let long = scratch.path(String(repeating: "1", count: 250))
    // The temporary name of its own writing would be too long, too.
    try FileManager.default.moveItem(atPath: scratch.path("z"), toPath: long)
    let failure = #expect(throws: RemovalFailure.self) { try removal.remove(directory: long) }
    let says = "\(long): cannot remove: File name too long; removed before that: \(scratch.path("x")), "
    #expect(failure?.description.hasPrefix(says) == true, "\(failure?.description ?? "")")
    #expect(OwnedFiles(long)?.others == [])
    var fresh = Removal()
    let first = #expect(throws: RemovalFailure.self) { try fresh.remove(directory: long) }
    #expect(first?.description.hasSuffix("; nothing was removed") == true)
  }

  @Test func `files get their names together, and a failure tells which have them`() throws {
    let scratch = try TemporaryDirectory()
    for name in ["a", "b"] { try scratch.write(name, "old") }
    struct Stop: Error {}
    #expect(throws: Stop.self) {
      let files = AtomicFiles()
      try files.file(scratch.path("a")) { try $0.append([1]) }
      try files.file(scratch.path("b")) { _ in throw Stop() }
    }
    #expect(try scratch.text("a") == "old" && scratch.names() == ["a", "b"])
    let files = AtomicFiles()
    for name in ["a", "b", "c"] { try files.file(scratch.path(name)) { try $0.append(Array("new".utf8)) } }
    try FileManager.default.removeItem(atPath: scratch.path("b"))
    try scratch.makeDirectory("b/sub")
    let failure = #expect(throws: WriteError.self) { try files.commit() }
    #expect(failure?.description.hasSuffix("already replaced: \(scratch.path("a"))") == true)
    #expect(try scratch.text("a") == "new" && !scratch.exists("c"))
    // Without leave, what came there meanwhile stays.
    let late = AtomicFiles()
    try late.file(scratch.path("a")) { _ in }
    let refused = #expect(throws: WriteError.self) { try late.commit(replaces: false) }
    #expect(refused?.code == EEXIST && refused?.description.contains("untouched") == true)
    #expect(try scratch.text("a") == "new")
  }
}
