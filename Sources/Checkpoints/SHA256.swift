// SHA-256 and SHA-1 from the system's libcrypto, which uses the processor's SHA instructions.

internal import CCrypto
import Glibc
package import Tensors

/// A hash of libcrypto's.
private final class Digest {
  private let context = EVP_MD_CTX_new()

  /// - Parameter algorithm: what `EVP_MD_fetch` returned; a context per hash is cheap, so it is fetched once.
  init(_ algorithm: OpaquePointer?) {
    precondition(context != nil && EVP_DigestInit_ex(context, algorithm, nil) == 1, "libcrypto has no such hash")
  }

  deinit { EVP_MD_CTX_free(context) }

  func append(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

  /// The digest of all bytes appended so far; more may follow.
  var bytes: [UInt8] {
    let copy = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(copy) }
    return [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { digest, count in
      var length: UInt32 = 0
      precondition(
        EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, digest.baseAddress, &length) == 1,
        "libcrypto cannot end a hash")
      count = Int(length)
    }
  }

  /// The same as hexadecimal digits in lower case.
  var text: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}

/// Hashes the bytes that are appended.
package final class SHA256 {
  package static let byteCount = 32
  nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

  private let hash = Digest(SHA256.algorithm)

  package init() {}

  package func append(_ bytes: UnsafeRawBufferPointer) { hash.append(bytes) }

  package func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// The digest of all bytes appended so far; more may follow.
  package var digest: [UInt8] { hash.bytes }

  /// The digest as 64 lowercase hexadecimal digits.
  package var text: String { hash.text }

  /// The SHA-256 of bytes in memory, in the same form.
  package static func text(of bytes: [UInt8]) -> String {
    let hash = SHA256()
    hash.append(bytes)
    return hash.text
  }
}

/// SHA-1, by which git and so the hub names contents.
package final class SHA1 {
  nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA1", nil)

  private let hash = Digest(SHA1.algorithm)

  package init() {}

  /// The hash of a file's content in git: of `blob`, the number of bytes, and the bytes that are appended.
  package static func ofGitBlob(byteCount: Int) -> SHA1 {
    let hash = SHA1()
    Array("blob \(byteCount)\0".utf8).withUnsafeBytes(hash.append)
    return hash
  }

  package func append(_ bytes: UnsafeRawBufferPointer) { hash.append(bytes) }

  /// The digest as 40 lowercase hexadecimal digits.
  package var text: String { hash.text }
}

/// Size and SHA-256 of a file.
/// - Throws: `FileError`.
package func hashedFile(_ path: String) throws(FileError) -> (byteCount: Int, sha256: String) {
  let hash = SHA256()
  let byteCount = try readFile(path) { hash.append($0) }
  return (byteCount, hash.text)
}

/// Passes the file's bytes to `body`, in pieces, and returns their number: if the file is shortened meanwhile, reading
/// ends early, where a mapping would end the process.
/// - Throws: `FileError`.
package func readFile(_ path: String, _ body: (UnsafeRawBufferPointer) -> Void) throws(FileError) -> Int {
  // O_NONBLOCK: opening a named pipe would otherwise wait forever.
  let descriptor = uninterrupted { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
  guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
    throw FileError(path: path, action: "read (it is no regular file)", code: EINVAL)
  }
  // At most the file's size: most hashed files are small. A file that grows is still read to its end.
  let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: min(max(Int(status.st_size), 1 << 12), 1 << 20), alignment: 64)
  defer { buffer.deallocate() }
  var byteCount = 0
  while true {
    let count = uninterrupted { read(descriptor, buffer.baseAddress, buffer.count) }
    if count == 0 { return byteCount }
    guard count > 0 else { throw FileError(path: path, action: "read", code: errno) }
    body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    byteCount += count
  }
}
