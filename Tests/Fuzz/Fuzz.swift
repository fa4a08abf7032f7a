// The fuzzer's program: `Fuzz PARSER [libFuzzer's options] [corpus directories]`. `make fuzz` runs it on every parser.
// It is built with libFuzzer and the address sanitizer, and only if SHOAL_FUZZ is set (see Package.swift).

import CFuzzer
import Foundation

@main
struct Fuzz {
  static func main() {
    let names = Parser.allCases.map(\.rawValue)
    if CommandLine.arguments.dropFirst() == ["--list"] {
      print(names.joined(separator: "\n"))
      return
    }
    guard CommandLine.argc > 1, let parser = Parser(rawValue: CommandLine.arguments[1]) else {
      FileHandle.standardError.write(Data("usage: Fuzz PARSER …, with one of \(names.joined(separator: ", "))\n".utf8))
      exit(64)
    }
    chosen = parser
    // libFuzzer sees the arguments without the parser's name.
    var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
    var count = CommandLine.argc - 1
    CommandLine.unsafeArgv[1] = CommandLine.unsafeArgv[0]
    let code = LLVMFuzzerRunDriver(&count, &arguments) { bytes, size in
      Fuzz.chosen.run(UnsafeRawBufferPointer(start: bytes, count: size))
      return 0
    }
    exit(code)
  }

  /// Written once, before libFuzzer starts; libFuzzer's callback has no context argument.
  nonisolated(unsafe) private static var chosen = Parser.json
}
