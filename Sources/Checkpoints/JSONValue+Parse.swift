// The entry points of the strict parser.

extension JSONValue {
  /// What is read besides JSON as programs should write it.
  package enum Rules: Sendable {
    case strict
    /// Strings may contain `\u0000`, as the standard allows.
    case anyText
    /// As `anyText`, and as Python writes and reads: `NaN`, `Infinity`, `-Infinity` and numbers beyond fp64 are
    /// numbers. A string that is no text, and the values of a name that occurs twice, are `unusable`.
    case data
  }

  /// Parses one JSON value that fills `bytes`.
  ///
  /// Errors are: duplicate names, NUL, invalid UTF-8, lone surrogates, numbers beyond fp64, trailing text, and nesting
  /// deeper than `maximumDepth`, except for what `rules` allow.
  /// - Throws: `JSONSyntaxError` with the byte's place.
  package static func parse(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64, by rules: Rules = .strict
  ) throws(JSONSyntaxError) -> JSONValue {
    var reader = JSONReader(bytes: bytes, maximumDepth: maximumDepth, rules: rules)
    return try reader.document()
  }

  package static func parse(
    _ bytes: [UInt8], maximumDepth: Int = 64, by rules: Rules = .strict
  ) throws(JSONSyntaxError) -> JSONValue {
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(JSONSyntaxError) in try parse(buffer, maximumDepth: maximumDepth, by: rules) }
    }.get()
  }

  package static func parse(_ text: String, maximumDepth: Int = 64) throws(JSONSyntaxError) -> JSONValue {
    try parse(Array(text.utf8), maximumDepth: maximumDepth)
  }
}
