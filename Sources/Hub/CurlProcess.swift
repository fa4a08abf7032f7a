// One exchange over HTTP through the program curl.
//
// curl is on every cluster, keeps TLS and proxies right, and stays out of the training program, which would otherwise
// load it and some twenty libraries on every rank. No shell is involved, and the request goes through a pipe, so that
// no list of processes shows the token.

import Glibc

/// The first lines of an answer.
package struct ResponseHead: Sendable {
  package let status: Int
  /// By name in lower case; of several with one name the last.
  package let fields: [String: String]

  /// The most bytes that a number of bytes may say: sums of some such still fit an `Int`.
  package static let mostBytes = 1 << 60

  package subscript(name: String) -> String? { fields[name] }

  /// A number of bytes.
  package func bytes(_ name: String) -> Int? {
    fields[name].flatMap { Int($0) }.flatMap { 0...Self.mostBytes ~= $0 ? $0 : nil }
  }

  /// Nil if `lines` does not begin with a status line.
  package init?(_ lines: [Substring]) {
    guard let first = lines.first, first.hasPrefix("HTTP/") else { return nil }
    let words = first.split(separator: " ", maxSplits: 2)
    guard words.count >= 2, let status = Int(words[1]), 100...599 ~= status else { return nil }
    self.status = status
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].trimming { $0.isWhitespace })
    }
    self.fields = fields
  }
}

extension Substring {
  fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> Substring {
    Substring(drop(while: isTrimmed).reversed().drop(while: isTrimmed).reversed().map(String.init).joined())
  }
}

/// The way curl ended an exchange that it could not complete.
struct CurlFailure: Error {
  let code: Int32
  let reason: String

  /// Names that are not found, refused and cut connections, timeouts: what may go well next time. Not an address that
  /// cannot be one, nor a certificate that is not trusted.
  var isTransient: Bool { [5, 6, 7, 16, 18, 28, 35, 52, 55, 56, 92, 95, 96].contains(code) }
}

/// A running curl.
final class CurlProcess {
  private static let mostHeadBytes = 1 << 18

  private let process: pid_t
  private var output: Int32
  private let errors: Int32
  private var buffered: [UInt8] = []
  private let isStopped: () -> Bool
  private var hasEnded = false

  /// Starts a GET.
  /// - Parameters:
  ///   - fields: header fields, of which curl's own are replaced.
  ///   - patience: seconds without a byte after which the connection counts as cut.
  /// - Throws: `HubMistake.noCurl`; `CurlFailure` if the machine cannot start it.
  init(_ address: HubAddress, fields: [(String, String)], patience: Int, isStopped: @escaping () -> Bool) throws {
    self.isStopped = isStopped
    var lines = [
      "url = \(Self.quoted(address.text))", "silent", "show-error", "include", "no-buffer", "globoff", "path-as-is",
      "suppress-connect-headers", "proto = \"=http,https\"", "user-agent = \"shoal\"",
      "connect-timeout = \(patience)", "speed-limit = 1", "speed-time = \(patience)",
    ]
    lines += fields.map { "header = " + Self.quoted("\($0): \($1)") }
    let pipes = try (0..<3).map { _ in try Self.pipe() }
    (output, errors) = (pipes[1].read, pipes[2].read)
    // Its own settings first: -q leaves ~/.curlrc unread.
    let started = Self.spawn(["curl", "-q", "--config", "-"], pipes[0].read, pipes[1].write, pipes[2].write)
    for descriptor in [pipes[0].read, pipes[1].write, pipes[2].write] { close(descriptor) }
    guard started.code == 0 else {
      for descriptor in [pipes[0].write, output, errors] { close(descriptor) }
      process = -1
      hasEnded = true
      output = -1
      throw started.code == ENOENT
        ? HubMistake.noCurl : CurlFailure(code: -1, reason: String(cString: strerror(started.code)))
    }
    process = started.process
    // A pipe holds this much without a reader, and SIGPIPE is ignored.
    let text = Array((lines.joined(separator: "\n") + "\n").utf8)
    _ = write(pipes[0].write, text, text.count)
    close(pipes[0].write)
  }

  /// An exchange that nobody reads to its end is over at once.
  deinit {
    if output >= 0 { close(output) }
    guard !hasEnded else { return }
    close(errors)
    kill(process, SIGTERM)
    while waitpid(process, nil, 0) < 0, errno == EINTR {}
  }

  private static func quoted(_ text: String) -> String {
    "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
  }

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    // Sockets, since they can be closed at exec from the start: a process that another thread starts meanwhile would hold
    // a pipe's ends open, and curl would wait for the end of its input.
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw CurlFailure(code: -1, reason: String(cString: strerror(errno)))
    }
    return (ends[0], ends[1])
  }

  /// Starts a program; the code is 0, or why it cannot be started.
  private static func spawn(
    _ arguments: [String], _ input: Int32, _ output: Int32, _ errors: Int32
  ) -> (process: pid_t, code: Int32) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (place, descriptor) in [input, output, errors].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(place))
    }
    // This program ignores signals that it handles in other ways; curl is to end by them.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var (standard, none) = (sigset_t(), sigset_t())
    sigemptyset(&standard)
    sigemptyset(&none)
    for number in [SIGINT, SIGTERM, SIGUSR1, SIGPIPE, SIGXFSZ] { sigaddset(&standard, number) }
    posix_spawnattr_setsigdefault(&attributes, &standard)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let code = posix_spawnp(&process, arguments[0], &actions, &attributes, &words, environ)
    return (process, code)
  }

  // MARK: Reading

  /// The head of the final answer, after those of status 1xx.
  /// - Throws: `CurlFailure` if there is none; `HubFailure.stopped`.
  func readHead() throws -> ResponseHead {
    while true {
      while let end = endOfHead() {
        let text = String(decoding: buffered[..<end.first], as: UTF8.self)
        buffered.removeFirst(end.second)
        guard let head = ResponseHead(text.split { $0 == "\n" || $0 == "\r\n" }) else {
          throw CurlFailure(code: 8, reason: "the answer is not HTTP")
        }
        if head.status >= 200 { return head }
      }
      guard buffered.count < Self.mostHeadBytes else { throw CurlFailure(code: 8, reason: "the answer has no end") }
      var piece = [UInt8](repeating: 0, count: 1 << 14)
      let count = try piece.withUnsafeMutableBytes { try readMore(into: $0) }
      guard count > 0 else {
        try finish()
        throw CurlFailure(code: 52, reason: "the connection was closed without an answer")
      }
      buffered += piece[..<count]
    }
  }

  /// Where the first head in the buffer ends, and where what follows begins.
  private func endOfHead() -> (first: Int, second: Int)? {
    for (place, byte) in buffered.enumerated() where byte == 10 {
      if place + 1 < buffered.count, buffered[place + 1] == 10 { return (place, place + 2) }
      if place + 2 < buffered.count, buffered[place + 1] == 13, buffered[place + 2] == 10 { return (place, place + 3) }
    }
    return nil
  }

  /// The next bytes of the body; 0 at its end.
  /// - Throws: `CurlFailure`, `HubFailure.stopped`.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard buffered.isEmpty else {
      let count = min(buffer.count, buffered.count)
      buffer.copyBytes(from: buffered[..<count])
      buffered.removeFirst(count)
      return count
    }
    return try readMore(into: buffer)
  }

  private func readMore(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      guard !isStopped() else { throw HubFailure.stopped }
      var waiting = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
      // Short, because nothing else notices a wish to stop.
      guard poll(&waiting, 1, 200) > 0 else { continue }
      let count = Glibc.read(output, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw CurlFailure(code: -1, reason: String(cString: strerror(errno))) }
    }
  }

  /// All of the body. At most `limit` bytes are read.
  func readBody(limit: Int) throws -> [UInt8] {
    var body: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while body.count < limit {
      let count = try piece.withUnsafeMutableBytes { try read(into: $0) }
      if count == 0 {
        try finish()
        return body
      }
      body += piece[..<count]
    }
    return body
  }

  /// Waits for curl's end, which follows that of the body.
  /// - Throws: `CurlFailure` unless all went well.
  func finish() throws {
    guard !hasEnded else { return }
    hasEnded = true
    var text = [UInt8](repeating: 0, count: 4096)
    let count = max(0, Glibc.read(errors, &text, text.count))
    close(errors)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    guard !isStopped() else { throw HubFailure.stopped }
    guard status != 0 else { return }
    let told = String(decoding: text.prefix(count), as: UTF8.self).split(whereSeparator: \.isNewline).first.map {
      $0.trimmingPrefix(#/curl: \(\d+\) /#)
    }
    // The low bits are a signal's number.
    let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 18
    // A path may hold a storage's permission.
    let reason = told.map { String($0).replacing(#/https?:\/\/\S+/#, with: "the address") }
    throw CurlFailure(code: code, reason: reason ?? "curl ended with \(code)")
  }
}
