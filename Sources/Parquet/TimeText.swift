// Dates and times as Python's isoformat writes them, in the Gregorian calendar, also before its time.

import Checkpoints

enum TimeText {
  private static let secondsPerDay: Int64 = 86400

  /// - Parameter days: since 1970-01-01.
  static func date(days: Int64) -> JSONValue {
    guard let (year, month, day) = civil(days: days) else { return beyond }
    var text = Digits()
    text.add(year, month, day)
    return text.json
  }

  /// - Parameter value: since midnight.
  static func time(_ value: Int64, _ unit: LogicalType.Unit) -> JSONValue {
    let (seconds, nanoseconds) = split(value, unit)
    guard 0..<secondsPerDay ~= seconds else {
      return .unusable(JSONSyntaxError(reason: "a time of day outside a day"))
    }
    var text = Digits()
    text.add(seconds: seconds, nanoseconds)
    return text.json
  }

  /// - Parameter value: since 1970-01-01 00:00.
  static func timestamp(_ value: Int64, _ unit: LogicalType.Unit, isInstant: Bool) -> JSONValue {
    let (seconds, nanoseconds) = split(value, unit)
    let days = seconds.floorDivided(by: secondsPerDay)
    return timestamp(days: days, seconds: seconds - days * secondsPerDay, nanoseconds, isInstant: isInstant)
  }

  /// Nanoseconds of a day and the Julian day, as older programs wrote.
  static func int96(_ bytes: UnsafeRawBufferPointer) -> JSONValue {
    let nanoseconds = Int64(littleEndian: bytes.loadUnaligned(as: Int64.self))
    let julian = Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int32.self))
    let (seconds, rest) = split(nanoseconds, .nanoseconds)
    let days = seconds.floorDivided(by: secondsPerDay)
    return timestamp(
      days: Int64(julian) - 2_440_588 + days, seconds: seconds - days * secondsPerDay, rest, isInstant: false)
  }

  private static func timestamp(days: Int64, seconds: Int64, _ nanoseconds: Int64, isInstant: Bool) -> JSONValue {
    guard let (year, month, day) = civil(days: days) else { return beyond }
    var text = Digits()
    text.add(year, month, day)
    text.bytes.append(UInt8(ascii: "T"))
    text.add(seconds: seconds, nanoseconds)
    if isInstant { text.bytes += "+00:00".utf8 }
    return text.json
  }

  private static let beyond = JSONValue.unusable(JSONSyntaxError(reason: "a date outside the years 1 to 9999"))

  private static func split(_ value: Int64, _ unit: LogicalType.Unit) -> (seconds: Int64, nanoseconds: Int64) {
    let perSecond: Int64 =
      switch unit {
      case .milliseconds: 1000
      case .microseconds: 1_000_000
      case .nanoseconds: 1_000_000_000
      }
    let seconds = value.floorDivided(by: perSecond)
    return (seconds, (value &- seconds &* perSecond) * (1_000_000_000 / perSecond))
  }

  /// Year, month and day; nil outside the years 1 to 9999. Years begin in March, so that leap days come last.
  private static func civil(days: Int64) -> (Int64, Int64, Int64)? {
    guard -719_162...2_932_896 ~= days else { return nil }
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    return (era * 400 + yearOfEra + (month >= 10 ? 1 : 0), month < 10 ? month + 3 : month - 9, day)
  }

  private struct Digits {
    var bytes: [UInt8] = []

    var json: JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }

    mutating func add(_ value: Int64, width: Int) {
      var divisor: Int64 = 1
      for _ in 1..<width { divisor *= 10 }
      while divisor > 0 {
        bytes.append(0x30 + UInt8(value / divisor % 10))
        divisor /= 10
      }
    }

    mutating func add(_ year: Int64, _ month: Int64, _ day: Int64) {
      add(year, width: 4)
      bytes.append(UInt8(ascii: "-"))
      add(month, width: 2)
      bytes.append(UInt8(ascii: "-"))
      add(day, width: 2)
    }

    /// A fraction has six digits, or nine if six do not suffice.
    mutating func add(seconds: Int64, _ nanoseconds: Int64) {
      add(seconds / 3600, width: 2)
      bytes.append(UInt8(ascii: ":"))
      add(seconds / 60 % 60, width: 2)
      bytes.append(UInt8(ascii: ":"))
      add(seconds % 60, width: 2)
      guard nanoseconds != 0 else { return }
      bytes.append(UInt8(ascii: "."))
      if nanoseconds % 1000 == 0 { add(nanoseconds / 1000, width: 6) } else { add(nanoseconds, width: 9) }
    }
  }
}

extension Int64 {
  /// Rounds towards minus infinity.
  fileprivate func floorDivided(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
