// Damage, bit by bit: what promises to see all of it is put to the test.

import Foundation

/// Flips bits of files, one at a time, and keeps those that nobody saw.
package final class FlippedBits {
  /// How many were flipped.
  package private(set) var count = 0
  /// File name, byte and bit.
  package private(set) var missed: [String] = []

  package init() {}

  /// Flips bits of a file one after the other, each back again after it was looked at.
  /// - Parameters:
  ///   - isSampled: one bit of every byte, another in each, in place of all.
  ///   - isSeen: whether the file as it is then is known to be damaged.
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
