// A hub on the loopback address, with a storage on another port, that does what real ones do and fails on demand.

package import Checkpoints
import Foundation
import Glibc
import Tensors

/// A repository `own/tiny` and its server. Large files lie on the storage, to which the hub redirects.
package final class LocalHub: @unchecked Sendable {
  package static let commit = String(repeating: "0123456789", count: 4)

  /// What one answer does instead of the right thing.
  package enum Fault: Sendable {
    case status(Int, [String: String] = [:], body: String = "")
    /// Closes the connection after so many bytes of the body.
    case cut(after: Int)
    /// Sends so many bytes of the body and then nothing, until the hub goes.
    case stall(after: Int)
    case wholeDespiteRange
    case content([UInt8])
    case redirect(String)
  }

  package struct Request: Sendable {
    package let isStorage: Bool
    package let path: String
    /// In lower case.
    package let fields: [String: String]
  }

  private let lock = NSLock()
  private var sockets: [Int32] = []
  private var ports: [UInt16] = []
  private var files: [String: [UInt8]] = [:]
  private var faults: [String: [Fault]] = [:]
  private var seen: [Request] = []
  private var isClosed = false
  /// Files from this size on lie on the storage.
  private let largeBytes: Int
  /// Whether the listing says sizes and hashes.
  private let describes: Bool
  private let kind: HubName.Kind
  /// Members of the listing that replace those of the files.
  private var listed: [JSONValue]?

  /// - Parameter files: contents by path.
  package init(
    _ files: [String: [UInt8]], kind: HubName.Kind = .model, largeBytes: Int = 1000, describes: Bool = true
  ) throws {
    (self.files, self.kind, self.largeBytes, self.describes) = (files, kind, largeBytes, describes)
    for isStorage in [false, true] { try listen(isStorage: isStorage) }
  }

  /// A directory's files.
  package convenience init(directory: String) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    try self.init(
      Dictionary(
        uniqueKeysWithValues: names.map {
          ($0, [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)"))))
        }
      ))
  }

  deinit { close() }

  package func close() {
    lock.withLock {
      isClosed = true
      // Their threads close them: a number that is free too early may be another hub's next socket.
      for socket in sockets { shutdown(socket, Int32(SHUT_RDWR)) }
      sockets = []
    }
  }

  package var endpoint: String { "http://127.0.0.1:\(ports[0])" }
  /// Another host to whom asks, though it is this one.
  package var storage: String { "http://localhost:\(ports[1])" }
  package var requests: [Request] { lock.withLock { seen } }
  /// Requests for contents.
  package func requests(for file: String) -> [Request] { requests.filter { $0.path.hasSuffix("/\(file)") } }

  /// What the next answers about a file do; "" is the listing.
  package func fail(_ file: String, _ next: Fault...) { lock.withLock { faults[file, default: []] += next } }
  package func replace(_ file: String, by content: [UInt8]) { lock.withLock { files[file] = content } }
  package func list(_ entries: [JSONValue]) { lock.withLock { listed = entries } }

  package static func gitHash(_ content: [UInt8]) -> String {
    let hash = SHA1.ofGitBlob(byteCount: content.count)
    content.withUnsafeBytes(hash.append)
    return hash.text
  }

  // MARK: Connections

  private func listen(isStorage: Bool) throws {
    // A process that a test starts is not to keep the port or a connection.
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isOpen = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, size) == 0 && Glibc.listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
      }
    }
    guard isOpen else { throw MissingValue(name: "a port on 127.0.0.1") }
    sockets.append(listener)
    ports.append(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [weak self] in
      defer { Glibc.close(listener) }
      while true {
        let connection = uninterrupted { accept(listener, nil, nil) }
        guard connection >= 0 else { return }
        _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
        Thread.detachNewThread { [weak self] in
          self?.serve(connection, isStorage: isStorage)
          shutdown(connection, Int32(SHUT_RDWR))
          Glibc.close(connection)
        }
      }
    }
  }

  private func serve(_ connection: Int32, isStorage: Bool) {
    var bytes: [UInt8] = []
    while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
      var byte: UInt8 = 0
      guard uninterrupted({ recv(connection, &byte, 1, 0) }) == 1 else { return }
      bytes.append(byte)
    }
    let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ").map(String.init)
    guard words.count == 3 else { return }
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
    }
    let path = words[1].prefix { $0 != "?" }.removingPercentEncoding ?? ""
    let request = Request(isStorage: isStorage, path: path, fields: fields)
    lock.withLock { seen.append(request) }
    answer(request, on: connection)
  }

  // MARK: Answers

  private func answer(_ request: Request, on connection: Int32) {
    let prefix = kind == .dataset ? "datasets/" : ""
    let parts = request.path.components(separatedBy: "/\(prefix)own/tiny/resolve/")
    if request.isStorage {
      content(String(request.path.dropFirst("/storage/".count)), request, on: connection)
    } else if request.path.hasPrefix("/api/\(kind.rawValue)s/own/tiny/revision/") {
      listing(revision: String(request.path.split(separator: "/").last ?? ""), on: connection)
    } else if parts.count == 2, let slash = parts[1].firstIndex(of: "/") {
      content(String(parts[1][parts[1].index(after: slash)...]), request, on: connection)
    } else {
      send(404, ["X-Error-Code": "RepoNotFound"], Array("{\"error\":\"Repository not found\"}".utf8), on: connection)
    }
  }

  private func nextFault(_ file: String) -> Fault? {
    lock.withLock { faults[file]?.isEmpty == false ? faults[file]?.removeFirst() : nil }
  }

  private func listing(revision: String, on connection: Int32) {
    if case .status(let code, let fields, let body) = nextFault("") {
      return send(code, fields, Array(body.utf8), on: connection)
    }
    guard ["main", "v1", Self.commit].contains(revision) else {
      let body = "{\"error\":\"Invalid rev id: \(revision)\"}"
      return send(404, ["X-Error-Code": "RevisionNotFound"], Array(body.utf8), on: connection)
    }
    let (files, listed) = lock.withLock { (self.files, self.listed) }
    let entries = files.sorted { $0.key < $1.key }.map { name, content -> JSONValue in
      guard describes else { return ["rfilename": .string(name)] }
      var members: [JSONValue.Member] = [
        .init("rfilename", .string(name)), .init("size", .integer(Int64(content.count))),
        .init("blobId", .string(Self.gitHash(content))),
      ]
      if content.count >= largeBytes {
        members.append(
          .init("lfs", ["sha256": .string(SHA256.text(of: content)), "size": .integer(Int64(content.count))]))
      }
      return .object(members)
    }
    let json: JSONValue = ["id": "own/tiny", "sha": .string(Self.commit), "siblings": .array(listed ?? entries)]
    send(200, ["Content-Type": "application/json"], Array(json.serialized().utf8), on: connection)
  }

  private func content(_ file: String, _ request: Request, on connection: Int32) {
    guard let whole = lock.withLock({ files[file] }) else {
      return send(404, ["X-Error-Code": "EntryNotFound"], [], on: connection)
    }
    let isLarge = whole.count >= largeBytes
    let tag = "\"\(isLarge ? SHA256.text(of: whole) : Self.gitHash(whole))\""
    if isLarge, !request.isStorage {
      // Faults of a large file are the storage's, but for redirects of the hub.
      var location = "\(storage)/storage/\(file)?permission=secret"
      if case .redirect(let other) = lock.withLock({ faults[file]?.first }) {
        location = other
        _ = nextFault(file)
      }
      let fields = ["Location": location, "X-Linked-ETag": tag, "X-Linked-Size": "\(whole.count)"]
      return send(302, fields.merging(["X-Repo-Commit": Self.commit]) { $1 }, [], on: connection)
    }
    var body = whole
    var (limit, stalls, obeysRange) = (Int.max, false, true)
    switch nextFault(file) {
    case nil: break
    case .status(let code, let fields, let text): return send(code, fields, Array(text.utf8), on: connection)
    case .redirect(let location): return send(307, ["Location": location], [], on: connection)
    case .cut(let count): limit = count
    case .stall(let count): (limit, stalls) = (count, true)
    case .wholeDespiteRange: obeysRange = false
    case .content(let other): body = other
    }
    var fields = ["X-Repo-Commit": Self.commit, "ETag": request.isStorage ? "\"storage-tag\"" : tag]
    var status = 200
    if obeysRange, let range = request.fields["range"], let first = range.firstMatch(of: #/bytes=(\d+)-/#) {
      let start = Int(first.1) ?? 0
      guard start < body.count else { return send(416, [:], [], on: connection) }
      fields["Content-Range"] = "bytes \(start)-\(body.count - 1)/\(body.count)"
      (status, body) = (206, Array(body[start...]))
    }
    send(status, fields, body, limit: limit, on: connection)
    while stalls, !lock.withLock({ isClosed }) { usleep(20_000) }
  }

  private func send(
    _ status: Int, _ fields: [String: String], _ body: [UInt8], limit: Int = .max, on connection: Int32
  ) {
    let all = fields.merging(["Content-Length": "\(body.count)", "Connection": "close"]) { $1 }
    let head = "HTTP/1.1 \(status) Test\r\n" + all.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
    let bytes = Array(head.utf8) + body.prefix(limit)
    var place = 0
    while place < bytes.count {
      let count = bytes[place...].withUnsafeBytes { rest in
        uninterrupted { Glibc.send(connection, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL)) }
      }
      guard count > 0 else { return }
      place += count
    }
  }
}
