// SHA-256 by the system's libcrypto, which uses the processor's own instructions.

internal import CCrypto
import Glibc
import Tensors

/// A hash of what is appended.
package final class SHA256 {
  package static let byteCount = 32
  /// Looked up once; a context for each hash is cheap.
  nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

  private let context = EVP_MD_CTX_new()

  package init() {
    precondition(
      context != nil && EVP_DigestInit_ex(context, Self.algorithm, nil) == 1, "libcrypto has no SHA-256")
  }

  deinit { EVP_MD_CTX_free(context) }

  package func append(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

  package func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// Of all that was appended so far; more may follow.
  package var digest: [UInt8] {
    let copy = EVP_MD_CTX_new()
    defer { EVP_MD_CTX_free(copy) }
    return [UInt8](unsafeUninitializedCapacity: Self.byteCount) { digest, count in
      precondition(
        EVP_MD_CTX_copy_ex(copy, context) == 1 && EVP_DigestFinal_ex(copy, digest.baseAddress, nil) == 1,
        "libcrypto cannot end a hash")
      count = Self.byteCount
    }
  }

  /// The digest as 64 lowercase hexadecimal digits.
  package var text: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// That of bytes in memory.
  package static func text(of bytes: [UInt8]) -> String {
    let hash = SHA256()
    hash.append(bytes)
    return hash.text
  }
}

/// Size and SHA-256 of a file, read in pieces: a file that shrinks meanwhile ends the reading, where a
/// mapping would end the process.
func hashedFile(_ path: String) throws(FileError) -> (byteCount: Int, sha256: String) {
  // Without waiting: a named pipe in a file's place would never open.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else { throw FileError(path: path, action: "open", code: errno) }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
    throw FileError(path: path, action: "read (it is no regular file)", code: EINVAL)
  }
  // No larger than the file, but for one that grows: most of those that are hashed are small.
  let buffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: min(max(Int(status.st_size), 1 << 12), 1 << 20), alignment: 64)
  defer { buffer.deallocate() }
  let hash = SHA256()
  var byteCount = 0
  while true {
    let count = read(descriptor, buffer.baseAddress, buffer.count)
    if count == 0 { return (byteCount, hash.text) }
    if count < 0 {
      if errno == EINTR { continue }
      throw FileError(path: path, action: "read", code: errno)
    }
    hash.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    byteCount += count
  }
}
