// Requests to the hub: who sees the token, where redirects lead, what is tried again.

import Checkpoints
import Glibc
import Tensors

/// How often and how patiently something is tried.
package struct HubPatience: Sendable {
  /// Seconds before each further attempt. An attempt that brought something begins the count anew.
  package var delays: [Double]
  /// Seconds without a byte after which a connection counts as cut.
  package var silence: Int
  /// The longest wait that the hub may ask for.
  package var mostSeconds: Double

  package init(delays: [Double] = [1, 2, 4, 8, 16], silence: Int = 60, mostSeconds: Double = 300) {
    (self.delays, self.silence, self.mostSeconds) = (delays, silence, mostSeconds)
  }
}

/// An answer that is being read.
struct HubAnswer {
  let head: ResponseHead
  /// What the hub itself says of the file, before it redirects to a storage.
  let etag: String?
  let commit: String?
  let bytes: Int?
  let body: CurlProcess
}

/// What may go well next time.
struct TransientFailure: Error {
  let reason: String
  var retryAfter: Double?
}

/// The hub, seen by one user.
struct HubClient {
  let settings: HubSettings
  let name: HubName
  let revision: String
  let patience: HubPatience
  let isStopped: () -> Bool
  /// Called with the reason and the seconds until the next attempt.
  let onRetry: (String, Double) -> Void

  private static let mostRedirects = 10
  private static let redirects = [301, 302, 303, 307, 308]

  /// The repository's part of an address.
  private var repository: String { (name.kind == .dataset ? "datasets/" : "") + name.text }

  func address(of file: String, at commit: String) -> String {
    "/\(repository)/resolve/\(HubAddress.escaped(commit, keeping: ""))/\(HubAddress.escaped(file))"
  }

  var listingAddress: String {
    "/api/\(name.kind.rawValue)s/\(name.text)/revision/\(HubAddress.escaped(revision, keeping: ""))"
  }

  // MARK: One request

  /// Sends a GET and follows redirects.
  ///
  /// The token goes to the endpoint's own scheme, host and port, and nowhere else: curl is told each address by itself
  /// and follows none.
  /// - Parameters:
  ///   - path: below the endpoint.
  ///   - item: what is asked for, for messages.
  ///   - first: the byte to begin with.
  /// - Throws: `TransientFailure`; `HubMistake`, `HubFailure`.
  func get(_ path: String, _ item: String, from first: Int = 0) throws -> HubAnswer {
    let endpoint = settings.endpoint
    guard var address = HubAddress(withoutTrailingSlashes(endpoint.text) + path) else { throw HubMistake.endpoint }
    var (etag, commit, bytes): (String?, String?, Int?) = (nil, nil, nil)
    for _ in 0...Self.mostRedirects {
      var fields = [("Accept-Encoding", "identity"), ("Accept", "*/*")]
      if first > 0 { fields.append(("Range", "bytes=\(first)-")) }
      if let token = settings.token, address.origin == endpoint.origin {
        fields.append(("Authorization", "Bearer \(token)"))
      }
      let (head, body) = try exchange(address, fields)
      let isHub = address.origin == endpoint.origin
      if isHub || etag == nil { etag = head["x-linked-etag"] ?? etag }
      commit = commit ?? head["x-repo-commit"]
      bytes = bytes ?? head.bytes("x-linked-size")
      guard Self.redirects.contains(head.status) else {
        if head.status >= 400, head.status != 416 { throw try refusal(head, body, item, at: address) }
        return HubAnswer(head: head, etag: etag ?? head["etag"], commit: commit, bytes: bytes, body: body)
      }
      guard let target = head["location"].flatMap(address.redirect(to:)) else { throw HubFailure.redirects(of: item) }
      address = target
    }
    throw HubFailure.redirects(of: item)
  }

  private func exchange(_ address: HubAddress, _ fields: [(String, String)]) throws -> (ResponseHead, CurlProcess) {
    do {
      let body = try CurlProcess(address, fields: fields, patience: patience.silence, isStopped: isStopped)
      return (try body.readHead(), body)
    } catch let error as CurlFailure {
      throw error.isTransient
        ? TransientFailure(reason: "\(address.shown): \(error.reason)")
        : HubFailure.connection(
          "\(address.shown): \(error.reason)", isTrustMissing: error.reason.contains("certificate problem"))
    }
  }

  /// What an answer with an error means.
  private func refusal(
    _ head: ResponseHead, _ body: CurlProcess, _ item: String, at address: HubAddress
  ) throws -> any Error {
    let hub = address.shown
    guard address.origin == settings.endpoint.origin else {
      // A storage's address is valid for a short time only: the next attempt gets a new one.
      return TransientFailure(reason: "\(item): \(hub) answers with \(head.status)")
    }
    let code = head["x-error-code"]
    let reason = message(head, try? body.readBody(limit: 1 << 16))
    switch head.status {
    case 401 where code == "RepoNotFound" && settings.token != nil:
      return HubMistake.absent(name, at: hub, hasToken: true)
    case 401, 403:
      let isGated = code == "GatedRepo" || code == nil && (reason ?? "").lowercased().contains("gated")
      return HubMistake.refused(name, at: hub, token: settings.tokenSource, isGated: isGated, reason: reason)
    case 404 where code == "RevisionNotFound": return HubMistake.unknownRevision(name, revision, at: hub)
    case 404 where code == "EntryNotFound": return HubFailure.status(404, of: item, at: hub)
    case 404 where item != name.text: return HubFailure.status(404, of: item, at: hub)
    case 404:
      // Other servers have no codes, but words.
      if (reason ?? "").lowercased().contains("revision") {
        return HubMistake.unknownRevision(name, revision, at: hub)
      }
      return HubMistake.absent(name, at: hub, hasToken: settings.token != nil)
    case 408, 425, 429, 500...:
      let seconds = head["retry-after"].flatMap { Double($0) }.flatMap {
        $0.isFinite ? min(max($0, 0), patience.mostSeconds) : nil
      }
      return TransientFailure(reason: "\(item): \(hub) answers with \(head.status)", retryAfter: seconds)
    default: return HubFailure.status(head.status, of: item, at: hub)
    }
  }

  /// The hub's own words, without the token should it repeat that.
  private func message(_ head: ResponseHead, _ body: [UInt8]?) -> String? {
    let json = body.flatMap { try? JSONValue.parse(String(decoding: $0, as: UTF8.self)) }
    let text = head["x-error-message"] ?? json?["error"]?.string ?? json?["message"]?.string
    guard var text, !text.isEmpty else { return nil }
    if let token = settings.token { text = text.replacing(token, with: "…") }
    return String(text.prefix(300))
  }

  // MARK: Several attempts

  /// Runs `body` until it ends well, or fails for good.
  /// - Parameters:
  ///   - bytes: what there is so far: an attempt that brought something begins the count of attempts anew.
  ///   - body: throws `TransientFailure` for what may pass.
  /// - Throws: `HubFailure`, `HubMistake`, errors of `body`.
  func repeated<Result>(noting bytes: () -> Int = { 0 }, _ body: () throws -> Result) throws -> Result {
    var attempts = 0
    while true {
      let before = bytes()
      do {
        return try body()
      } catch let failure as TransientFailure {
        attempts = bytes() > before ? 1 : attempts + 1
        guard attempts <= patience.delays.count else {
          throw HubFailure.unreachable(failure.reason, attempts: attempts)
        }
        let seconds = failure.retryAfter ?? patience.delays[attempts - 1]
        onRetry(failure.reason, seconds)
        try wait(seconds)
      }
    }
  }

  private func wait(_ seconds: Double) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
      guard !isStopped() else { throw HubFailure.stopped }
      usleep(50_000)
    }
  }
}
