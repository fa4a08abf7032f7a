// Finds models, adapters and data sets by their names of the hub in the cache that its own client keeps.

import Glibc
import Tensors

/// The hub's cache on this machine: `models--OWNER--NAME` with `refs`, `snapshots` and `blobs`, as huggingface_hub
/// writes it.
package struct HubCache: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// The user's cache; nil if no variable says where it is.
  package static var standard: HubCache? { HubPlaces().cache.map(HubCache.init) }

  /// What a command reads of a repository.
  package enum Content: Sendable {
    case model, adapter, tokenizer, dataset
    /// Single files of a data set.
    case datasetPart
    /// Whatever is there.
    case anything

    var isOfDataset: Bool { self == .dataset || self == .datasetPart }
  }

  // MARK: Looking up

  /// The directory that `name` means: the local one of that name, otherwise a snapshot in the user's cache.
  ///
  /// A name that is neither a path in use nor one that the hub could have is returned as it is, and so is one without
  /// an owner that the cache does not have: whoever opens it says what is missing.
  /// - Parameter revision: a branch, a tag or a commit; nil: `main`. Without influence on a local directory.
  /// - Throws: `HubRefusal` if the cache lacks the repository, the revision or some of its files.
  package static func directory(
    of name: String, revision: String? = nil, for content: Content
  ) throws(HubRefusal) -> String {
    guard let found = HubName(name, content.isOfDataset ? .dataset : .model), !fileExists(name) else { return name }
    guard let cache = standard else {
      guard found.hasOwner else { return name }
      throw HubRefusal(found, revision, .absent(cache: "HOME is not set"))
    }
    do throws(HubRefusal) {
      return try cache.snapshot(of: found, revision: revision, for: content)
    } catch {
      if !found.hasOwner, case .absent = error.reason { return name }
      throw error
    }
  }

  /// Whether a model of that name is looked for in the cache: nothing here has the name, and the hub could have it.
  package static func isLookedFor(_ name: String) -> Bool { HubName(name) != nil && !fileExists(name) }

  /// The snapshot of a revision, with all files that `content` needs.
  /// - Throws: `HubRefusal`.
  package func snapshot(
    of name: HubName, revision: String? = nil, for content: Content
  ) throws(HubRefusal) -> String {
    let folder = HubFolder(cache: path, name)
    guard let revisions = try? directoryEntries(folder.snapshots), !revisions.isEmpty else {
      // What came right may be there without anything that is unfinished.
      throw HubRefusal(name, revision, folder.hasBlobs ? .unfinished(path: folder.path) : .absent(cache: path))
    }
    guard let commit = Self.commit(revision ?? HubRevision.standard, in: folder, revisions) else {
      throw HubRefusal(name, revision, .noRevision(folder: folder.path, known: folder.references + revisions))
    }
    let snapshot = folder.snapshot(commit)
    let unfinished = folder.unfinished
    let missing = Self.missing(in: snapshot, for: content)
    guard missing.isEmpty else {
      throw HubRefusal(
        name, revision, .incomplete(snapshot: snapshot, missing: missing, isUnderWay: !unfinished.isEmpty))
    }
    if content == .dataset, fileExists(folder.partMark(commit)) {
      throw HubRefusal(name, revision, .part(snapshot: snapshot))
    }
    if content.isOfDataset, let file = unfinished.first {
      throw HubRefusal(name, revision, .unfinished(path: "\(folder.blobs)/\(file)"))
    }
    return snapshot
  }

  /// The commit of a snapshot: the revision's own name, what `refs` says of it, or the one that it is the start of.
  private static func commit(_ revision: String, in folder: HubFolder, _ snapshots: [String]) -> String? {
    guard HubRevision.isValid(revision) else { return nil }
    if snapshots.contains(revision) { return revision }
    if let commit = folder.commit(of: revision) { return snapshots.contains(commit) ? commit : nil }
    // Five digits are the fewest that huggingface_hub takes for a commit.
    guard revision.count >= 5, isHexadecimal(revision) else { return nil }
    let matching = snapshots.filter { $0.hasPrefix(revision) }
    return matching.count == 1 ? matching[0] : nil
  }

  // MARK: Completeness

  /// The files that `content` needs and the snapshot lacks. A link whose blob is gone counts as missing.
  private static func missing(in snapshot: String, for content: Content) -> [String] {
    func exists(_ name: String) -> Bool { fileExists("\(snapshot)/\(name)") }
    func lacking(_ names: [String]) -> [String] { names.filter { !exists($0) } }
    let tokenizer = HubFiles.tokenizer.contains(where: exists) ? [] : ["tokenizer.json"]
    switch content {
    case .tokenizer: return tokenizer
    // A pickle is refused with its own reason where it is opened.
    case .adapter:
      return lacking(["adapter_config.json"] + (exists("adapter_model.bin") ? [] : ["adapter_model.safetensors"]))
    case .model:
      let weights =
        exists(HubWeights.singleName) || !exists(HubWeights.indexName)
        ? [HubWeights.singleName] : HubWeights.shardNames(directory: snapshot)
      return lacking(["config.json"] + weights) + tokenizer
    case .dataset, .datasetPart: return brokenLinks(in: snapshot)
    case .anything: return []
    }
  }

  private static func brokenLinks(in directory: String) -> [String] {
    func names(_ prefix: String) -> [String] {
      ((try? directoryEntries("\(directory)/\(prefix)")) ?? []).flatMap { entry in
        let path = "\(directory)/\(prefix)\(entry)"
        if EntryKind(path) == .directory { return names("\(prefix)\(entry)/") }
        return fileExists(path) ? [] : [prefix + entry]
      }
    }
    return names("")
  }
}

/// A name of the hub that the cache has not, or not whole.
package struct HubRefusal: UserError, Equatable {
  package enum Reason: Sendable, Equatable {
    case absent(cache: String)
    case noRevision(folder: String, known: [String])
    case incomplete(snapshot: String, missing: [String], isUnderWay: Bool)
    /// A download that did not come to its end: the file that it left, or the folder where nothing is whole yet.
    case unfinished(path: String)
    /// The snapshot has single files of a data set, and all of it is wanted.
    case part(snapshot: String)
  }

  package let name: HubName
  package let revision: String?
  package let reason: Reason

  package init(_ name: HubName, _ revision: String?, _ reason: Reason) {
    (self.name, self.revision, self.reason) = (name, revision, reason)
  }

  package var description: String {
    let command = name.fetchCommand(revision: revision)
    return switch reason {
    case .absent(let cache):
      "\(name): there is no such \(name.kind == .dataset ? "file or " : "")directory here, and the hub's cache (\(cache)) does not have this "
        + "\(name.kind == .dataset ? "data set" : "model"): download it with `\(command)`"
    case .noRevision(let folder, let known):
      "\(name): \(folder) has no revision \"\(revision ?? HubRevision.standard)\" (it has \(shortList(known))): "
        + "download it with `\(command)`"
    case .incomplete(let snapshot, let missing, let isUnderWay):
      "\(name): \(snapshot) is not complete: it lacks \(shortList(missing))"
        + "\(isUnderWay ? "; a download was begun and did not end" : ""): complete it with `\(command)`"
    case .unfinished(let path):
      "\(name): \(path): a download was begun and did not end: complete it with `\(command)`"
        + (path.hasSuffix(HubFolder.partialSuffix) ? ", or remove that file if it is of an older one" : "")
    case .part(let snapshot):
      "\(name): \(snapshot) has only some of its files, those that another configuration named: complete it with "
        + "`\(command)`"
    }
  }
}
