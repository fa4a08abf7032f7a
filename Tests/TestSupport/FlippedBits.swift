// Flips bits to test that every damage is detected.

import Foundation

/// Flips bits of files, one at a time, and records the flips that were not detected.
package final class FlippedBits {
  /// The number of flipped bits.
  package private(set) var count = 0
  /// File name, byte and bit of each flip that was not detected.
  package private(set) var missed: [String] = []

  package init() {}

  /// Flips the bits of a file one after the other, and restores each bit after the check.
  /// - Parameters:
  ///   - isSampled: flips one bit of every byte, a different bit in each, instead of all bits.
  ///   - isSeen: whether the damage of the current file is detected.
  package func forEach(
    of path: String, isSampled: Bool = false, isSeen: () throws -> Bool
  ) throws {
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    defer { try? file.close() }
    func write(_ byte: UInt8, at place: Int) throws {
      try file.seek(toOffset: UInt64(place))
      try file.write(contentsOf: [byte])
    }
    for (place, byte) in whole.enumerated() {
      for bit in isSampled ? place % 8...place % 8 : 0...7 {
        try write(byte ^ 1 << UInt8(bit), at: place)
        count += 1
        if try !isSeen() { missed.append("\(path.split(separator: "/").last ?? ""), byte \(place), bit \(bit)") }
      }
      try write(byte, at: place)
    }
  }
}
