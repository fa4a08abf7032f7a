// Why a download cannot begin, or does not come to its end.

package import Checkpoints
import Tensors

/// What the user can set right.
package enum HubMistake: UserError, Equatable {
  case offline(String)
  case endpoint
  case token(source: String)
  case noCurl
  case noCache
  case noName(String)
  case noRevision(String)
  /// 401 or 403. `token`: where the token is from that was shown.
  case refused(HubName, at: String, token: String?, isGated: Bool, reason: String?)
  case absent(HubName, at: String, hasToken: Bool)
  case unknownRevision(HubName, String, at: String)
  case noHub(String)
  case unsafeName(HubName, String)
  case nothingMatches(HubName, globs: [String], names: [String])
  case picklesOnly(HubName, String)
  case exists(path: String)
  case isLink(path: String)
  case notAFile(path: String)
  case damagedBlob(path: String, bytes: Int, expected: Int)

  package var description: String {
    switch self {
    case .offline(let name): "\(name) is set, so nothing is downloaded: unset it to use the network"
    case .endpoint: "HF_ENDPOINT is no address, expected one such as https://huggingface.co, without a user's name"
    case .token(let source): "\(source): holds no token, expected one word such as hf_…"
    case .noCurl: "downloads go through the program curl, which is not installed: install curl"
    case .noCache: "no cache for the hub's files: set HOME or HF_HOME, or name a directory with --out"
    case .noName(let text): "\"\(text)\" is no name of the hub, expected OWNER/NAME"
    case .noRevision(let text): "\"\(text)\" is no branch, tag or commit"
    case .refused(let name, let hub, let token, let isGated, let reason):
      Self.refusal(name, hub, token, isGated) + (reason.map { "; the hub says: \($0)" } ?? "")
    case .absent(let name, let hub, let hasToken):
      "\(name): \(hub) has no such \(Self.kind(name))"
        + (hasToken ? " that your token may read" : ", or it is private: then set HF_TOKEN")
        + "; check the name"
        + (name.kind == .model ? ", and add --dataset for a data set" : "")
    case .unknownRevision(let name, let revision, let hub):
      "\(name): has no branch, tag or commit \"\(revision)\" at \(hub)"
    case .noHub(let hub): "\(hub): does not answer as the hub does; check HF_ENDPOINT"
    case .unsafeName(let name, let file):
      "\(name): lists a file \"\(file)\", which would lie outside of its directory or cannot be a file's name; "
        + "nothing was downloaded"
    case .nothingMatches(let name, let globs, let names):
      "\(name): no file matches \(shortList(globs)); it has \(names.isEmpty ? "no files" : shortList(names))"
    case .picklesOnly(let name, let file):
      "\(name): has its weights in pickles only (\(file)), which are programs and are not run: look for a revision with "
        + "safetensors, often refs/pr/N, or convert them; of an encoder for bertscore, which reads them and runs nothing, take "
        + "--include \(file) --include '*.json' --include '*.txt'"
    case .exists(let path):
      "\(path) is there already and is another file: name another place, or add --overwrite"
    case .isLink(let path):
      "\(path): is a symbolic link, and links are not followed for writing: name another place"
    case .notAFile(let path): "\(path): is in the way: name another place"
    case .damagedBlob(let path, let bytes, let expected):
      "\(path): has \(bytes) bytes, expected \(expected): it is damaged; remove it and run the same command again"
    }
  }

  private static func kind(_ name: HubName) -> String { name.kind == .dataset ? "data set" : "model" }

  private static func refusal(_ name: HubName, _ hub: String, _ token: String?, _ isGated: Bool) -> String {
    let page = "\(hub)/\(name.kind == .dataset ? "datasets/" : "")\(name)"
    if isGated {
      let account = token.map { "the account of the token in \($0)" } ?? "your account"
      return "\(name): its owner asks for consent first: open \(page) in a browser and accept with \(account)"
        + (token == nil ? ", then set HF_TOKEN to a token of it" : "")
    }
    guard let token else {
      return "\(name): \(hub) shows it to known users only, or has no such \(kind(name)): check the name, or set "
        + "HF_TOKEN to a token that may read it"
    }
    return "\(name): \(hub) does not accept the token in \(token) for it: check that the token is valid and may read it"
  }
}

/// What passes, or what the hub must set right: exit code 1. What was downloaded stays for the next start.
package enum HubFailure: Error, Equatable, CustomStringConvertible {
  /// After several attempts.
  case unreachable(String, attempts: Int)
  /// Another attempt would end alike.
  case connection(String, isTrustMissing: Bool)
  case status(Int, of: String, at: String)
  case redirects(of: String)
  case wrongContent(file: String, found: String, expected: String)
  case disk(String)
  /// The user's wish.
  case stopped

  package var description: String {
    switch self {
    case .unreachable(let reason, let attempts):
      "\(reason); given up after \(attempts) attempts: run the same command again to go on"
    case .connection(let reason, let isTrustMissing):
      reason
        + (isTrustMissing ? "; if you trust it, name a file with its authority's certificate in CURL_CA_BUNDLE" : "")
    case .status(let code, let item, let hub): "\(item): \(hub) answers with \(code)"
    case .redirects(let item): "\(item): the hub redirects in a circle, or to what is no address, or from https to http"
    case .wrongContent(let file, let found, let expected):
      "\(file): what came has \(found), expected \(expected) by the hub's own list: it was damaged on its way or is "
        + "another file; it was removed"
    case .disk(let reason):
      "\(reason); make room and run the same command again to go on, or choose another place with HF_HUB_CACHE or --out"
    case .stopped: "stopped: run the same command again to go on"
    }
  }
}
