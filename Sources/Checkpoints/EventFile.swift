// Writes TensorBoard's event files: scalars only, one record at a time.

import Glibc
import Tensors

/// An event file that is being written. When a call returns, the kernel has the appended bytes.
package final class EventFile {
  private let output: OutputFile

  /// Starts a new file in `directory`, which is created if needed.
  ///
  /// TensorBoard joins the files of a directory in the order of their names. At a start record it discards what earlier
  /// files have for `firstStep` and later steps: a resumed run repeats those steps.
  /// - Parameter firstStep: the lowest step of this file.
  /// - Throws: `WriteError`.
  package init(directory: String, firstStep: Int) throws(WriteError) {
    try CacheDirectory.create(directory)
    let now = wallTime()
    output = try Self.create(in: directory, seconds: Int(now))
    try output.append(
      EventRecord.version(wallTime: now).framed + EventRecord.start(step: firstStep, wallTime: now).framed)
  }

  /// The start of every file's name; TensorBoard searches for its middle part.
  package static let namePrefix = "events.out.tfevents."

  /// Creates the file for `seconds`, or for the first later second whose name sorts after all existing names. Several
  /// starts in one second, a clock that was set back, and another host then cannot change the order.
  private static func create(in directory: String, seconds: Int) throws(WriteError) -> OutputFile {
    let names = (try? directoryEntries(directory)) ?? []
    let there = names.compactMap { name in
      name.hasPrefix(namePrefix) ? UInt32(name.dropFirst(namePrefix.count).prefix { $0 != "." }) : nil
    }
    let digits = String(max(seconds, there.map { Int($0) + 1 }.max() ?? 0))
    let padded = String(repeating: "0", count: max(0, 10 - digits.count)) + digits
    return try OutputFile(path: "\(directory)/\(namePrefix)\(padded).\(hostName())", permissions: .user, hashes: false)
  }

  package var path: String { output.path }

  /// Whether `path` is a file that begins as this type begins its files: with a version and a start of one time.
  package static func isOwn(_ path: String) -> Bool {
    guard EntryKind(path) == .file, let file = try? MappedFile(path: path) else { return false }
    defer { withExtendedLifetime(file) {} }
    // The time of the first record, after its length, the checksum of that, and the field's key.
    guard file.bytes.count >= 21 else { return false }
    let now = Double(bitPattern: UInt64(littleEndian: file.bytes.loadUnaligned(fromByteOffset: 13, as: UInt64.self)))
    let version = EventRecord.version(wallTime: now).framed
    guard file.bytes.starts(with: version) else { return false }
    // A step of 0 is left out; others follow the time as a varint.
    let rest = file.bytes.dropFirst(version.count)
    let zero = EventRecord.start(step: 0, wallTime: now).framed
    let (time, end) = (zero[12..<21], zero[21..<25])
    let start = rest.dropFirst(12)
    guard start.starts(with: time) else { return false }
    let length = Int(rest.first ?? 0)
    return length < 32 && rest.count >= 16 + length && start.prefix(length).suffix(4).elementsEqual(end)
  }

  /// Appends the values measured at `step`; they are rounded to fp32.
  /// - Throws: `WriteError`.
  package func append(step: Int, _ scalars: [(tag: String, value: Double)]) throws(WriteError) {
    let before = output.byteCount
    do {
      // One write: a concurrent reader sees the whole record, or a beginning that it waits on.
      try output.append(EventRecord.scalars(scalars, step: step, wallTime: wallTime()).framed)
    } catch {
      // Readers cannot continue after a record that ends early.
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
