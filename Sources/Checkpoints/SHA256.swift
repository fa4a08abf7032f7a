// SHA-256 from the system's libcrypto, which uses the processor's SHA instructions.

internal import CCrypto
import Glibc
import Tensors

/// Hashes the bytes that are appended.
package final class SHA256 {
  package static let byteCount = 32
  /// Fetched once; a context per hash is cheap.
  nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA256", nil)

  private let context = EVP_MD_CTX_new()

  package init() {
    precondition(
      context != nil && EVP_DigestInit_ex(context, Self.algorithm, nil) == 1, "libcrypto has no SHA-256")
  }

  deinit { EVP_MD_CTX_free(context) }

  package func append(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

  package func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// The digest of all bytes appended so far; more may follow.
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

  /// The SHA-256 of bytes in memory, in the same form.
  package static func text(of bytes: [UInt8]) -> String {
    let hash = SHA256()
    hash.append(bytes)
    return hash.text
  }
}

/// Size and SHA-256 of a file, which is read in pieces: if the file is shortened meanwhile, reading ends early, where a
/// mapping would end the process.
func hashedFile(_ path: String) throws(FileError) -> (byteCount: Int, sha256: String) {
  // O_NONBLOCK: opening a named pipe would otherwise wait forever.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
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
