// Spells bytes as tokenizer.json does: with GPT-2's alphabet of 256 printable characters.

/// The characters that represent bytes in the names of tokens.
enum ByteAlphabet {
  /// By byte. Printable Latin-1 represents itself; the other bytes count up from U+0100.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0..<256).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(UInt8(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? " "
      }
    }
  }()

  private static let bytes = Dictionary(
    uniqueKeysWithValues: characters.enumerated().map { ($1, UInt8($0)) })

  /// The bytes that a token represents; a name with any other character represents its own UTF-8.
  static func bytes(of name: String) -> [UInt8] {
    var result: [UInt8] = []
    for character in name.unicodeScalars {
      guard let byte = bytes[character] else { return Array(name.utf8) }
      result.append(byte)
    }
    return result
  }
}
