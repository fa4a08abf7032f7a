// The entry points of the strict parser.

extension JSONValue {
  /// Parses one JSON value that fills `bytes`.
  ///
  /// Errors are: duplicate names, NUL, invalid UTF-8, lone surrogates, numbers beyond fp64, trailing text, and nesting
  /// deeper than `maximumDepth`. With `allowsNUL` strings may contain `\u0000`, as the standard allows.
  /// - Throws: `JSONSyntaxError` with the byte's place.
  package static func parse(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = 64, allowsNUL: Bool = false
  ) throws(JSONSyntaxError) -> JSONValue {
    var reader = JSONReader(bytes: bytes, maximumDepth: maximumDepth, allowsNUL: allowsNUL)
    return try reader.document()
  }

  package static func parse(
    _ bytes: [UInt8], maximumDepth: Int = 64, allowsNUL: Bool = false
  ) throws(JSONSyntaxError) -> JSONValue {
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(JSONSyntaxError) in try parse(buffer, maximumDepth: maximumDepth, allowsNUL: allowsNUL) }
    }.get()
  }

  package static func parse(_ text: String, maximumDepth: Int = 64) throws(JSONSyntaxError) -> JSONValue {
    try parse(Array(text.utf8), maximumDepth: maximumDepth)
  }
}
