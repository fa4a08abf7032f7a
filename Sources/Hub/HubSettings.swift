// What the environment says about the hub: its address, the user's token, whether to stay off the network.

package import Checkpoints
import Tensors

/// The hub and the user, by huggingface_hub's variables.
package struct HubSettings: Sendable {
  package let endpoint: HubAddress
  /// Shown to the endpoint alone, and in no message.
  package let token: String?
  /// For messages: which variable or file the token is from.
  package let tokenSource: String?
  package let cache: HubCache?

  /// - Parameter variables: the value of an environment variable; only tests pass others than this process's.
  /// - Throws: `HubMistake` for an address or a token that cannot be one, and where the network is switched off.
  package init(_ variables: (String) -> String? = environmentVariable) throws {
    func isSet(_ name: String) -> Bool { ["1", "ON", "YES", "TRUE"].contains(variables(name)?.uppercased()) }
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] where isSet(name) { throw HubMistake.offline(name) }
    let address = variables("HF_ENDPOINT") ?? "https://huggingface.co"
    guard let endpoint = HubAddress(withoutTrailingSlashes(address)), !endpoint.path.contains("?") else {
      throw HubMistake.endpoint
    }
    self.endpoint = endpoint
    let places = HubPlaces(variables)
    cache = places.cache.map(HubCache.init)
    (token, tokenSource) = try Self.token(variables, file: places.token)
  }

  private static func token(_ variables: (String) -> String?, file: String?) throws -> (String?, String?) {
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
      if let text = variables(name), let token = try cleaned(text, from: name) { return (token, name) }
    }
    guard let file, EntryKind(file) != nil else { return (nil, nil) }
    let text = String(decoding: try smallFile(file, limit: 1 << 16), as: UTF8.self)
    return (try cleaned(text, from: file), file)
  }

  /// The token without white space around it. What else no header can hold is refused, without being shown.
  private static func cleaned(_ text: String, from source: String) throws -> String? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let token = words.first else { return nil }
    guard words.count == 1, token.utf8.allSatisfy({ 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "\"") }) else {
      throw HubMistake.token(source: source)
    }
    return String(token)
  }
}
