// A local hub, a place for what is downloaded from it, and a download between the two.

import Checkpoints
import Foundation
import Hub
import TestSupport

struct HubFixture: TestDirectory {
  private let directory: TemporaryDirectory
  let hub: LocalHub
  var path: String { directory.path }

  static let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
  static let small = Array("{\"model_type\": \"qwen2\"}\n".utf8)

  init(_ hub: LocalHub? = nil) throws {
    self.hub = try hub ?? LocalHub(["config.json": Self.small, "model.safetensors": Self.large])
    directory = try TemporaryDirectory()
  }

  /// The cache's folder of the repository.
  var folder: String { "hub/models--own--tiny" }
  var snapshot: String { "\(folder)/snapshots/\(LocalHub.commit)" }
  var partial: String { "\(folder)/blobs/\(SHA256.text(of: Self.large)).incomplete" }

  func settings(token: String? = "hf_secret", _ more: [String: String] = [:]) throws -> HubSettings {
    let variables = ["HF_ENDPOINT": hub.endpoint, "HF_HOME": path, "HF_TOKEN": token].compactMapValues(\.self)
    return try HubSettings { variables.merging(more) { $1 }[$0] }
  }

  func request(_ kind: HubName.Kind = .model, revision: String? = nil, to out: String? = nil, _ globs: String...) throws
    -> HubRequest
  {
    var request = try HubRequest("own/tiny", kind, revision: revision)
    (request.globs, request.directory) = (globs, out.map(path))
    return request
  }

  /// Downloads with little patience.
  @discardableResult
  func run(
    _ request: HubRequest? = nil, token: String? = "hf_secret", silence: Int = 30,
    progress: @escaping (HubProgress) -> Void = { _ in }
  ) throws -> String {
    try HubDownload(
      request ?? self.request(), settings(token: token),
      patience: HubPatience(delays: [0.02, 0.02, 0.02], silence: silence, mostSeconds: 0.3), progress: progress
    ).run()
  }

  /// The text of the error with which a download ends.
  func refusal(_ request: HubRequest? = nil, token: String? = "hf_secret") throws -> String {
    do {
      let path = try run(request, token: token)
      return "no error: \(path)"
    } catch { return "\(error)" }
  }

  /// The ranges in which a file's content was asked for.
  func ranges(of file: String) -> [String] {
    hub.requests(for: file).filter(\.isStorage).map { $0.fields["range"] ?? "all" }
  }
}
