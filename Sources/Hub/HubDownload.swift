// `shoal fetch`: lists a revision, chooses files, and brings each one whole to its place.

package import Checkpoints
import Glibc
import Tensors

/// What is downloaded, and where to.
package struct HubRequest: Sendable {
  package var name: HubName
  /// A branch, a tag or a commit.
  package var revision: String
  /// The files wanted; empty: those that Shoal can read.
  package var globs: [String] = []
  /// Whether a configuration names these files: what else the data set has is not known to be unwanted.
  package var isPart = false
  /// A plain directory; nil: the hub's cache.
  package var directory: String?
  package var overwrites = false

  /// - Throws: `HubMistake` for what no name or revision can be.
  package init(_ name: String, _ kind: HubName.Kind = .model, revision: String? = nil) throws {
    guard let found = HubName(name, kind) else { throw HubMistake.noName(name) }
    let revision = revision ?? HubRevision.standard
    guard HubRevision.isValid(revision) else { throw HubMistake.noRevision(revision) }
    (self.name, self.revision) = (found, revision)
  }
}

/// One download.
package struct HubDownload {
  private static let mostListingBytes = 1 << 28

  private let request: HubRequest
  private let settings: HubSettings
  private let client: HubClient
  private let isStopped: () -> Bool
  private let progress: (HubProgress) -> Void

  /// - Parameters:
  ///   - settings: only tests pass other than the environment's.
  ///   - isStopped: asked often; true ends the download in good order.
  package init(
    _ request: HubRequest, _ settings: HubSettings, patience: HubPatience = HubPatience(),
    isStopped: @escaping () -> Bool = { false }, progress: @escaping (HubProgress) -> Void = { _ in }
  ) {
    (self.request, self.settings, self.isStopped, self.progress) = (request, settings, isStopped, progress)
    client = HubClient(
      settings: settings, name: request.name, revision: request.revision, patience: patience, isStopped: isStopped
    ) { progress(.retrying(reason: $0, seconds: $1)) }
  }

  /// Downloads what is missing, and returns the directory with the files.
  ///
  /// Nothing is replaced by less: a file appears under its name when it is whole and has the hash that the hub lists.
  /// In the hub's cache a commit appears when all its files are there, and a branch or tag points to it then.
  /// - Throws: `HubMistake` for what the user can mend; `HubFailure` for the rest, after which the same download goes on
  ///   where this one ended; `OutputRefusal`, `WriteError`, `FileError`.
  package func run() throws -> String {
    // Before the network: what can be no place costs nothing then.
    let place = try place()
    let listing = try listing()
    let wanted = try HubSelection(name: request.name, globs: request.globs).files(of: listing).map {
      try described($0, at: listing.commit)
    }
    let store = place(listing.commit)
    let missing = try wanted.filter { try store.presence(of: $0) == .absent }
    progress(.listed(files: wanted.count, present: wanted.count - missing.count, bytes: Self.sum(missing.map(\.bytes))))
    do {
      try makeDirectory(store.room)
      try requireRoom(for: missing, in: store)
      for file in missing { try FileDownload(file, at: listing.commit, store, client, progress).run() }
      try store.finish(wanted, revision: request.revision)
    } catch let error as WriteError where error.isShortage || error.code == EFBIG {
      throw HubFailure.disk("\(error.path): cannot \(error.action): \(error.reason)")
    }
    return store.directory
  }

  /// Where the files of a commit go.
  private func place() throws -> (String) -> any HubStore {
    if let directory = request.directory {
      let store = try HubDirectoryStore(directory, overwrites: request.overwrites)
      return { _ in store }
    }
    guard let cache = settings.cache else { throw HubMistake.noCache }
    return { [name = request.name, isPart = request.isPart] commit in
      HubCacheStore(cache, name, commit: commit, isPart: isPart)
    }
  }

  private func listing() throws -> HubListing {
    let answer = try client.repeated(readListing)
    return try HubListing(
      answer.bytes, commit: answer.commit, of: request.name, revision: request.revision, at: settings.endpoint.shown)
  }

  private func readListing() throws -> (bytes: [UInt8], commit: String?) {
    let answer: HubAnswer
    do {
      answer = try client.get(client.listingAddress + "?blobs=true", request.name.text)
    } catch HubMistake.absent {
      // A server that has no sizes and hashes may not know that query.
      answer = try client.get(client.listingAddress, request.name.text)
    }
    do {
      let bytes = try answer.body.readBody(limit: Self.mostListingBytes)
      // Cut off there, and it could look whole.
      guard bytes.count < Self.mostListingBytes else { throw HubMistake.noHub(settings.endpoint.shown) }
      return (bytes, answer.commit)
    } catch let error as CurlFailure {
      throw TransientFailure(reason: "\(request.name): \(error.reason)")
    }
  }

  /// The file with what the hub says when it is asked for it: not every hub lists sizes and hashes.
  private func described(_ file: HubFile, at commit: String) throws -> HubFile {
    guard file.proof == nil else { return file }
    let answer = try client.repeated { try client.get(client.address(of: file.path, at: commit), file.path) }
    var file = file
    file.proof = HubFile.Proof(etag: answer.etag)
    file.bytes = file.bytes ?? answer.bytes ?? answer.head.bytes("content-length")
    return file
  }

  /// - Throws: `WriteError` (ENOSPC) if the files that are missing do not fit.
  private func requireRoom(for files: [HubFile], in store: any HubStore) throws {
    let rest = files.map { file in max(0, (file.bytes ?? 0) - (fileSize(store.partial(of: file).path) ?? 0)) }
    try requireFreeSpace(Self.sum(rest), at: store.room, for: store.directory)
  }

  /// The sum, as far as numbers go: a listing may claim anything.
  private static func sum(_ bytes: [Int?]) -> Int {
    bytes.reduce(0) { min($0 + ($1 ?? 0), 2 * ResponseHead.mostBytes) }
  }
}
