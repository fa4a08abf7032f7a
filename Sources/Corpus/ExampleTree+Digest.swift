// What an example's tokens are, in 32 bytes: the key under which numbers that depend on them are kept.

import Crypto

extension ExampleTree {
  /// SHA-256 of the tokens and of where the prompt and each completion end; `index` does not enter.
  package var contentDigest: [UInt8] {
    var hash = SHA256()
    let parts = [prompt] + completions
    let lengths = ([parts.count] + parts.map(\.count)).map { UInt64($0).littleEndian }
    lengths.withUnsafeBytes { hash.update(bufferPointer: $0) }
    for part in parts {
      part.map(\.littleEndian).withUnsafeBytes { hash.update(bufferPointer: $0) }
    }
    return Array(hash.finalize())
  }
}
