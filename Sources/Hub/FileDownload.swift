// One file of a repository, from wherever it was left to its place.

import Checkpoints
import Glibc
import Tensors

/// Downloads one file, in as many attempts as it needs.
struct FileDownload {
  private let file: HubFile
  private let commit: String
  private let store: any HubStore
  private let client: HubClient
  private let progress: (HubProgress) -> Void

  init(
    _ file: HubFile, at commit: String, _ store: any HubStore, _ client: HubClient,
    _ progress: @escaping (HubProgress) -> Void
  ) {
    (self.file, self.commit, self.store, self.client, self.progress) = (file, commit, store, client, progress)
  }

  /// - Throws: `HubMistake`, `HubFailure`, `WriteError`, `FileError`.
  func run() throws {
    let (path, lock) = store.partial(of: file)
    for path in [path, lock] { try makeDirectory(parentDirectory(of: path)) }
    var hasTold = false
    // huggingface_hub's locks have the permissions of the umask too: users can share a cache.
    try FileLock.hold(lock, permissions: .umask, onWait: wait, bring)

    func wait() throws {
      guard !client.isStopped() else { throw HubFailure.stopped }
      if !hasTold { progress(.waiting(file: file.path)) }
      hasTold = true
    }

    func bring() throws {
      // Another process may have brought it meanwhile.
      guard try store.presence(of: file) == .absent else { return }
      let partial = try PartialFile(path)
      // Nothing says that what is there is of the same content.
      if file.proof == nil { try partial.clear() }
      let resumedAt = partial.byteCount
      try complete(partial)
      try partial.sync()
      try store.place(path, as: file)
      progress(.finished(file: file.path, bytes: partial.byteCount, resumedAt: resumedAt))
    }
  }

  /// Fetches until the bytes are whole and right. What an earlier start left may be wrong: then once from the start.
  private func complete(_ partial: PartialFile) throws {
    if let bytes = file.bytes, partial.byteCount > bytes { try partial.clear() }
    var isFresh = partial.byteCount == 0
    while true {
      if file.bytes == nil || partial.byteCount < file.bytes ?? 0 || partial.byteCount == 0 {
        try client.repeated(noting: { partial.byteCount }, { try fetch(partial) })
      }
      guard let mismatch = try file.proof?.mismatch(ofFile: partial.path, bytes: partial.byteCount) else { return }
      guard !isFresh else {
        unlink(partial.path)
        throw HubFailure.wrongContent(file: file.path, found: mismatch.found, expected: mismatch.expected)
      }
      try partial.clear()
      isFresh = true
    }
  }

  /// One attempt, from where the last one ended.
  private func fetch(_ partial: PartialFile) throws {
    let first = partial.byteCount
    let answer = try client.get(client.address(of: file.path, at: commit), file.path, from: first)
    // Of another content nothing can be joined with what is there.
    let isSame = HubFile.Proof(etag: answer.etag)?.agrees(with: file.proof) ?? true
    switch answer.head.status {
    case 206 where isSame && Self.start(of: answer.head) == first: break
    case 206, 416:
      guard first > 0 else { throw HubFailure.status(answer.head.status, of: file.path, at: "the hub") }
      try partial.clear()
      throw TransientFailure(reason: "\(file.path): cannot go on at byte \(first)", retryAfter: 0)
    case 200: try partial.clear()
    default: throw HubFailure.status(answer.head.status, of: file.path, at: "the hub")
    }
    // What this answer brings in all, by its own word.
    let end = answer.head.bytes("content-length").map { $0 + partial.byteCount }
    let total = file.bytes ?? end
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { buffer.deallocate() }
    do {
      while true {
        let count = try answer.body.read(into: buffer)
        if count == 0 { break }
        try partial.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        progress(.advanced(file: file.path, bytes: partial.byteCount, total: total))
        if let total, partial.byteCount > total { break }
      }
      if partial.byteCount <= total ?? .max { try answer.body.finish() }
    } catch let error as CurlFailure {
      throw TransientFailure(reason: "\(file.path): \(error.reason)")
    }
    guard let total, partial.byteCount != total else { return }
    let found = partial.byteCount
    guard found > total || found == end else {
      throw TransientFailure(reason: "\(file.path): \(found) of \(total) bytes came")
    }
    unlink(partial.path)
    throw HubFailure.wrongContent(
      file: file.path, found: found > total ? "more than \(total) bytes" : "\(found) bytes", expected: "\(total)")
  }

  /// The first byte of a part, by its `Content-Range: bytes FIRST-LAST/TOTAL`.
  private static func start(of head: ResponseHead) -> Int? {
    head["content-range"]?.firstMatch(of: #/^bytes (\d+)-/#).flatMap { Int($0.1) }
  }
}
