// Rules of CONTRIBUTING.md that can be read off the sources, and that no compiler checks.

import Foundation
import TestSupport
import Testing

@Suite struct SourceRulesTests {
  private struct SourceText {
    let path: String
    let lines: [Substring]
    /// The lines without their comments.
    var code: [Substring] { lines.map { $0.prefix(upTo: $0.firstRange(of: "//")?.lowerBound ?? $0.endIndex) } }

    func contains(_ pattern: some RegexComponent) -> Bool { code.contains { $0.contains(pattern) } }

    /// The functions that are called, with what stands before their dots.
    var calls: Set<Substring> {
      var calls: Set<Substring> = []
      for line in code {
        for before in line.split(separator: "(", omittingEmptySubsequences: false).dropLast() {
          let space = before.lastIndex { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "." }
          let name = before[(space.map(before.index(after:)) ?? before.startIndex)...]
          if !before.hasSuffix("func \(name)") { calls.insert(name) }
        }
      }
      return calls
    }
  }

  /// All Swift and C below a folder.
  private static func files(_ folder: String) throws -> [SourceText] {
    try Repository.files(in: folder).filter { [".swift", ".c", ".h", ".inc"].contains(where: $0.hasSuffix) }.map {
      SourceText(path: $0, lines: try Repository.text($0).split(separator: "\n", omittingEmptySubsequences: false))
    }
  }

  /// What cannot be left to the command: a signal handler can only write and end, a lost world is ended by the thread
  /// that noticed, the system ends a process whose parent is gone or that does not end by itself, and a download and a
  /// sandbox end the programs that they started.
  @Test func `only the command line prints and exits`() throws {
    let calls =
      #/
      (?: ^ | [^\w.] ) (?: print | debugPrint | dump | puts | fputs | d?printf | fprintf | perror | _?exit | quick_exit
        | abort | raise | kill | prctl | MPI_Abort ) \(
      | FileHandle\.standard(?: Output | Error ) | \bwrite\([12], | STD(?: OUT | ERR )_FILENO | \bSIGKILL\b
      /#
    let declaration = /\bfunc \w+/
    let found = try Self.files("Sources").filter { file in
      !file.path.hasPrefix("Sources/shoal/")
        && file.code.contains { $0.replacing(declaration, with: "func").contains(calls) }
    }
    #expect(
      found.map(\.path) == [
        "Sources/CShoal/crash.c", "Sources/CShoal/mappings.c", "Sources/CShoal/mpi.c", "Sources/CShoal/process.c",
        "Sources/CShoal/sandbox.c", "Sources/Collectives/MPICommunicator.swift",
        "Sources/Evaluation/Sandbox/ContainedProgram.swift", "Sources/Hub/CurlProcess.swift",
      ])
  }

  @Test func `MPI and BLAS are behind CShoal`() throws {
    let found = try Self.files("Sources").filter { $0.contains(/#\s*include\s*[<"](mpi|cblas)\.h/) }
    #expect(found.map(\.path) == ["Sources/CShoal/blas.c", "Sources/CShoal/mpi.c"])
  }

  /// The C library rounds otherwise on another processor and in another version; Double.exp and its like do not.
  /// Functions whose result is exact or rounded once, as fma and sqrt, are the same everywhere.
  @Test func `no result depends on how the C library rounds`() throws {
    let functions = [
      "exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p", "pow", "cbrt", "hypot", "sin", "cos", "tan",
      "sincos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc",
      "lgamma", "tgamma",
    ]
    let names = ["", "Foundation.", "Glibc."].flatMap { module in
      functions.flatMap { ["\(module)\($0)", "\(module)\($0)f", "\(module)\($0)l"] }
    }
    let found = try Self.files("Sources").filter { !$0.calls.isDisjoint(with: names.map { $0[...] }) }
    #expect(found.map(\.path) == [])
  }

  @Test func `nothing is forced`() throws {
    let found = try Self.files("Sources").filter { $0.contains(/\b(try!|as!|fatalError\b)/) }
    #expect(found.map(\.path) == [])
  }

  @Test func `files but tables are short`() throws {
    let found = try (Self.files("Sources") + Self.files("Tests")).filter { $0.lines.count > 301 }
    #expect(found.map(\.path) == ["Sources/Corpus/UnicodeTables.swift"])
  }
}
