// TensorBoard's event files, written: scalars only, a record at a time.

import Glibc
import Tensors

/// An event file being written. What is appended is with the kernel when the call returns.
package final class EventFile {
  private let output: OutputFile

  /// Starts a new file in `directory`, which is made if need be.
  ///
  /// TensorBoard joins the files of a directory in the order of their names and, at the mark of a start,
  /// forgets what earlier ones say of `firstStep` and later steps: a resumed run repeats those.
  /// - Parameter firstStep: no earlier step follows in this file.
  /// - Throws: `WriteError`.
  package init(directory: String, firstStep: Int) throws(WriteError) {
    try CacheDirectory.create(directory)
    let now = wallTime()
    output = try Self.create(in: directory, seconds: Int(now))
    try output.append(
      EventRecord.version(wallTime: now).framed + EventRecord.start(step: firstStep, wallTime: now).framed)
  }

  /// Every file's name starts so; TensorBoard looks for the middle part.
  package static let namePrefix = "events.out.tfevents."

  /// The file of these seconds, or of the first later ones whose name comes after all that are there: starts in
  /// one second, a clock that was set back and another host must not change the order.
  private static func create(in directory: String, seconds: Int) throws(WriteError) -> OutputFile {
    let names = (try? directoryEntries(directory)) ?? []
    let there = names.compactMap { name in
      name.hasPrefix(namePrefix) ? UInt32(name.dropFirst(namePrefix.count).prefix { $0 != "." }) : nil
    }
    let digits = String(max(seconds, there.map { Int($0) + 1 }.max() ?? 0))
    let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    return try OutputFile(
      path: "\(directory)/\(namePrefix)\(padded).\(hostName())", permissions: .user, hashes: false)
  }

  package var path: String { output.path }

  /// Appends what was measured at `step`; the numbers are rounded to fp32.
  /// - Throws: `WriteError`.
  package func append(step: Int, _ scalars: [(tag: String, value: Double)]) throws(WriteError) {
    let before = output.byteCount
    do {
      // One write: a reader meanwhile sees the whole record or a beginning that it waits on.
      try output.append(EventRecord.scalars(scalars, step: step, wallTime: wallTime()).framed)
    } catch {
      // Nobody can read past a record that ends early.
      output.takeBack(to: before)
      throw error
    }
  }
}

private func wallTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}
