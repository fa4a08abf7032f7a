// Addresses on the web: just what a hub's answers hold.

/// `http://HOST[:PORT]/PATH[?QUERY]` or the same with https.
package struct HubAddress: Sendable, Equatable {
  package let scheme: String
  /// In lower case.
  package let host: String
  package let port: Int
  /// Begins with a slash; may hold a query.
  package let path: String

  /// Whom a request goes to: a token for one is not shown to another.
  package var origin: String { "\(scheme)://\(host):\(port)" }

  package var text: String {
    let isStandard = port == Self.standardPort(scheme)
    return "\(scheme)://\(host)\(isStandard ? "" : ":\(port)")\(path)"
  }

  /// What messages show: without path and query, where a storage's permissions are.
  package var shown: String { String(text.dropLast(path.count)) }

  private static func standardPort(_ scheme: String) -> Int { scheme == "https" ? 443 : 80 }

  /// Nil for anything but an http or https address in plain ASCII without a user's name.
  package init?(_ text: String) {
    guard text.utf8.allSatisfy({ 0x21...0x7E ~= $0 }), !text.contains("\\"), !text.contains("\""),
      let mark = text.firstRange(of: "://")
    else { return nil }
    scheme = text[..<mark.lowerBound].lowercased()
    guard ["http", "https"].contains(scheme) else { return nil }
    let rest = text[mark.upperBound...].prefix { $0 != "#" }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    guard !authority.contains("@") else { return nil }
    let tail = rest[authority.endIndex...]
    path = tail.hasPrefix("/") ? String(tail) : "/" + tail
    // An IPv6 address has colons inside its brackets.
    let end = authority.lastIndex(of: "]") ?? authority.startIndex
    if let colon = authority[end...].firstIndex(of: ":") {
      host = authority[..<colon].lowercased()
      guard let number = Int(authority[authority.index(after: colon)...]), 1...65535 ~= number else { return nil }
      port = number
    } else {
      host = authority.lowercased()
      port = Self.standardPort(scheme)
    }
    guard !host.isEmpty else { return nil }
  }

  /// Where a redirect from here leads. Nil for one that is no address, or that leaves https.
  package func redirect(to location: String) -> HubAddress? {
    let target: HubAddress?
    if location.hasPrefix("//") {
      target = HubAddress("\(scheme):\(location)")
    } else if location.hasPrefix("/") {
      target = HubAddress(shown + location)
    } else if location.contains("://") {
      target = HubAddress(location)
    } else {
      let folder = path.prefix { $0 != "?" }.reversed().drop { $0 != "/" }.reversed()
      target = HubAddress(shown + String(folder) + location)
    }
    guard let target, scheme == "http" || target.scheme == "https" else { return nil }
    return target
  }

  /// A text as a part of a path; slashes stay.
  package static func escaped(_ text: String, keeping kept: String = "/") -> String {
    let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~\(kept)".utf8)
    let digits = Array("0123456789ABCDEF")
    return text.utf8.map { byte in
      plain.contains(byte)
        ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
  }
}
