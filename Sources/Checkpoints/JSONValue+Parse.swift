// What callers ask of the strict reader.

extension JSONValue {
  /// Reads one JSON value that fills `bytes`.
  ///
  /// Duplicate names, NUL, bad UTF-8, lone surrogates, numbers beyond fp64, trailing text and nesting
  /// deeper than `maximumDepth` are errors. With `allowsNUL` strings may hold `\u0000`, as the standard has it.
  /// - Throws: `JSONSyntaxError` naming the byte.
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
      Result { () throws(JSONSyntaxError) in
        try parse(buffer, maximumDepth: maximumDepth, allowsNUL: allowsNUL)
      }
    }.get()
  }

  package static func parse(
    _ text: String, maximumDepth: Int = 64
  ) throws(JSONSyntaxError) -> JSONValue {
    try parse(Array(text.utf8), maximumDepth: maximumDepth)
  }
}
