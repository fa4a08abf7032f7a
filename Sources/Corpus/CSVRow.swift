// Rows of comma- or tab-separated values, as RFC 4180 has them.

import Checkpoints

/// Cuts a row into fields.
struct CSVRow {
  /// nil for a field of no bytes at all; `""` is an empty text.
  private(set) var fields: [String?] = []

  /// - Throws: `RecordProblem` if quotes do not close, text stands beside quotes, or the bytes are not UTF-8.
  init(_ bytes: UnsafeRawBufferPointer, separator: UInt8) throws(RecordProblem) {
    let quote = UInt8(ascii: "\"")
    var place = 0
    repeat {
      var field: [UInt8] = []
      let isQuoted = place < bytes.count && bytes[place] == quote
      if isQuoted {
        place += 1
        while true {
          let end = bytes[place...].firstIndex(of: quote)
          guard let end else { throw problem("its quotes do not close") }
          field += bytes[place..<end]
          place = end + 1
          guard place < bytes.count, bytes[place] == quote else { break }
          field.append(quote)
          place += 1
        }
        guard place == bytes.count || bytes[place] == separator else {
          throw problem("expected a separator after its closing quote; a quote inside quotes is written twice")
        }
      } else {
        let end = bytes[place...].firstIndex(of: separator) ?? bytes.count
        field += bytes[place..<end]
        place = end
      }
      guard let text = String(validating: field, as: UTF8.self) else { throw problem("it is not UTF-8") }
      fields.append(text.isEmpty && !isQuoted ? nil : text)
      place += 1
    } while place <= bytes.count
  }

  /// A tab in files with .tsv in their name, otherwise a comma.
  static func separator(of path: String) -> UInt8 {
    UInt8(ascii: DataFormat.unpackedName(path).lowercased().hasSuffix(".tsv") ? "\t" : ",")
  }

  private func problem(_ reason: String) -> RecordProblem { RecordProblem("field \(fields.count + 1): \(reason)") }
}
