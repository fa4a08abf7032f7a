// Prints a download's progress: one line that is redrawn on a terminal, a line now and then elsewhere.

import Foundation
import Hub
import Runtime
import Tensors

final class FetchPrinter {
  private static let isTerminal = isatty(STDERR_FILENO) == 1

  private let name: String
  private var lastLine = ContinuousClock.now
  /// The file under way, with its first report, from which the speed is computed.
  private var current: (file: String, start: ContinuousClock.Instant, bytes: Int)?

  init(_ name: String) { self.name = name }

  func print(_ progress: HubProgress) {
    switch progress {
    case .listed(let files, let present, let bytes):
      let (rest, noun) = (files - present, files == 1 ? "file" : "files")
      let size = bytes > 0 ? " (\(ByteCount.text(bytes)))" : ""
      line("\(name): \(files) \(noun), " + (rest == 0 ? "all there" : "\(rest) to download\(size)"))
    case .waiting(let file): line("\(file): another process downloads it; waiting")
    case .advanced(let file, let bytes, let total): advance(file, bytes, total)
    case .finished(let file, let bytes, let resumedAt):
      line("\(file): \(ByteCount.text(bytes))" + (resumedAt > 0 ? ", resumed at \(ByteCount.text(resumedAt))" : ""))
    case .retrying(let reason, let seconds):
      line("\(reason); trying again in \(ProgressPrinter.number(seconds, seconds < 1 ? 1 : 0)) s")
    }
  }

  private func advance(_ file: String, _ bytes: Int, _ total: Int?) {
    let now = ContinuousClock.now
    // Fewer bytes than at first: the file was begun anew.
    if current?.file != file || bytes < current?.bytes ?? 0 { current = (file, now, bytes) }
    guard let current, now - lastLine >= (Self.isTerminal ? .milliseconds(200) : .seconds(10)) else { return }
    lastLine = now
    let seconds = Double((now - current.start).components.seconds)
    let rate = seconds >= 1 ? Double(bytes - current.bytes) / seconds : 0
    var text = "\(file): \(ByteCount.text(bytes))"
    if let total, total > 0 {
      text += " of \(ByteCount.text(total)), \(bytes * 100 / total) %"
      if rate > 0 { text += ", \(ProgressPrinter.duration(Double(total - bytes) / rate)) left" }
    }
    if rate > 0 { text += ", \(ByteCount.text(Int(rate)))/s" }
    guard Self.isTerminal else { return line(text) }
    Console.redraw(text)
  }

  private func line(_ text: String) {
    lastLine = .now
    Console.print(text)
  }
}
