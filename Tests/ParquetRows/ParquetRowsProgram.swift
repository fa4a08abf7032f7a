// Reads a parquet file for the scripts of Tests/Parity.
//
//     parquet-rows FILE [--from ROW] [--columns NAME,…]      every row as a line of JSON
//     parquet-rows FILE --time [--columns NAME,…]            bytes of text, processor seconds, peak resident kB
//
// Exit codes: 0, and 64 with one line of text if the file is refused.

import Checkpoints
import Foundation
import Glibc
import Parquet
import Tensors

@main
struct ParquetRowsProgram {
  static func main() {
    do {
      var arguments = Array(CommandLine.arguments.dropFirst())
      let path = arguments.removeFirst()
      let columns = option("--columns", in: arguments).map { Set($0.split(separator: ",").map(String.init)) }
      let file = try ParquetFile(path: path)
      let rows = try file.rows(columns: columns, from: option("--from", in: arguments).flatMap { Int($0) } ?? 0)
      if arguments.contains("--time") {
        var (count, bytes) = (0, 0)
        while let batch = try rows.next(1000) {
          count += batch.count
          for row in batch { bytes += textBytes(row) }
        }
        print(#"{"rows": \#(count), "bytes": \#(bytes), "seconds": \#(processorSeconds), "peak": \#(peakKilobytes)}"#)
      } else {
        while let batch = try rows.next(100) { for row in batch { print(row.serialized()) } }
      }
    } catch {
      let line = "\(error)\n"
      _ = write(STDERR_FILENO, line, line.utf8.count)
      exit(error is any UserError ? 64 : 1)
    }
  }

  private static func option(_ name: String, in arguments: [String]) -> String? {
    arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
  }

  private static func textBytes(_ value: JSONValue) -> Int {
    switch value {
    case .string(let text): text.utf8.count
    case .array(let elements): elements.reduce(0) { $0 + textBytes($1) }
    case .object(let members): members.reduce(0) { $0 + textBytes($1.value) }
    case .integer, .number: 8
    case .bool: 1
    case .null, .unusable: 0
    }
  }

  private static var processorSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static var peakKilobytes: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return Int(line.filter(\.isNumber)) ?? 0
  }
}
