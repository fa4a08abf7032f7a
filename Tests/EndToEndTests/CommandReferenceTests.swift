// docs/commands.md agrees with the program's own --help.

import Foundation
import TestSupport
import Testing

@Suite struct CommandReferenceTests {
  private static let page = "\(Repository.path)/docs/commands.md"
  /// The rest of the page is the program's help.
  private static let mark = "<!-- From here on: what `--help` prints. -->\n"

  private func help(_ arguments: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Job.program)
    process.arguments = arguments.split(separator: " ").map(String.init) + ["--help"]
    // Lines as on a terminal of 100 columns.
    process.environment = ProcessInfo.processInfo.environment.merging(["COLUMNS": "100"]) { _, wide in wide }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(arguments)")
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
      String($0.reversed().drop { $0 == " " }.reversed())
    }
    return lines.joined(separator: "\n").trimmingCharacters(in: .newlines)
  }

  @Test func `the page has every command's help`() throws {
    let commands = [
      "train", "config", "score", "evaluate", "generate", "summarize", "tokenize", "export",
      "prepare requests", "prepare pairs", "fetch", "bench",
    ]
    let top = try help("")
    for command in commands {
      let name = command.split(separator: " ")[0]
      #expect(top.contains("\n  \(name) "), "\(name) is a command")
    }
    let known = Set(commands.map { $0.split(separator: " ")[0] })
    let listed = top.components(separatedBy: "SUBCOMMANDS:\n").last?.components(separatedBy: "\n\n")[0] ?? ""
    let names = listed.split(separator: "\n").filter { $0.dropFirst(2).first != " " }.map {
      $0.split(separator: " ")[0]
    }
    #expect(Set(names) == known, "the page has all commands")
    let sections = try commands.map { "## shoal \($0)\n\n```\n\(try help($0))\n```\n" }
    let text = try String(contentsOfFile: Self.page, encoding: .utf8)
    let head = text.components(separatedBy: Self.mark)[0]
    let expected = head + Self.mark + "\n" + sections.joined(separator: "\n")
    if ProcessInfo.processInfo.environment["SHOAL_WRITE_DOCS"] != nil {
      try Data(expected.utf8).write(to: URL(fileURLWithPath: Self.page))
    } else {
      #expect(
        text == expected,
        "write it anew: SHOAL_WRITE_DOCS=1 swift test -c release --skip-build --filter CommandReferenceTests")
    }
  }
}
