// Where the hub's own client keeps its files: the environment variables that it reads, with its defaults.

import Glibc

/// The hub's directories on this machine, by huggingface_hub's rules.
package struct HubPlaces: Sendable {
  /// The cache of models and data sets. Nil if no variable says where, not even `HOME`.
  package let cache: String?
  /// The file with the user's token.
  package let token: String?

  /// - Parameter variables: the value of an environment variable; only tests pass others than this process's.
  package init(_ variables: (String) -> String? = environmentVariable) {
    func path(_ name: String) -> String? { variables(name).map { Self.expanded($0, variables) } }
    let user = path("XDG_CACHE_HOME") ?? variables("HOME").map { "\($0)/.cache" }
    let home = path("HF_HOME") ?? user.map { "\($0)/huggingface" }
    cache = path("HF_HUB_CACHE") ?? path("HUGGINGFACE_HUB_CACHE") ?? home.map { "\($0)/hub" }
    token = path("HF_TOKEN_PATH") ?? home.map { "\($0)/token" }
  }

  /// The path with `~`, `$NAME` and `${NAME}` replaced; a variable that is not set stays as it is written.
  private static func expanded(_ path: String, _ variables: (String) -> String?) -> String {
    var path = path
    if path == "~" || path.hasPrefix("~/"), let home = variables("HOME") { path = home + path.dropFirst() }
    let replaced = path.replacing(#/\$(?:\{(?<braced>[^}]*)\}|(?<plain>\w+))/#.asciiOnlyWordCharacters()) { match in
      variables(String(match.braced ?? match.plain ?? "")) ?? String(match.0)
    }
    return withoutTrailingSlashes(replaced)
  }
}

/// The value of an environment variable; nil if it is not set, or empty.
package func environmentVariable(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}
