// Which files a repository has at a commit, and which of them are wanted.

package import Checkpoints
import Glibc

/// A file of a repository.
package struct HubFile: Sendable, Equatable {
  /// What proves that the content is the right one.
  package enum Proof: Sendable, Equatable {
    case sha256(String)
    /// git's hash, or, as some mirrors have it, SHA-1 of the bytes.
    case sha1(String)
    /// The hub's name of the content, which says nothing about its bytes.
    case tag(String)

    package init?(etag: String?) {
      guard let etag else { return nil }
      let text = etag.trimmingPrefix("W/").filter { $0 != "\"" }
      guard !text.isEmpty else { return nil }
      let isHash = isHexadecimal(text)
      self =
        isHash && text.utf8.count == 64 ? .sha256(text) : isHash && text.utf8.count == 40 ? .sha1(text) : .tag(text)
    }

    /// False if both are hashes of one kind and differ: a storage may have tags of its own.
    func agrees(with other: HubFile.Proof?) -> Bool {
      switch (self, other) {
      case (.sha256(let own), .sha256(let others)), (.sha1(let own), .sha1(let others)): own == others
      default: true
      }
    }

    /// The name of the blob in the hub's cache: the etag, where it can be a file's name.
    package var blobName: String {
      switch self {
      case .sha256(let text), .sha1(let text): return text
      case .tag(let text):
        let isPlain = text.wholeMatch(of: #/[A-Za-z0-9_-]{1,128}/#) != nil
        return isPlain ? text : SHA256.text(of: Array(text.utf8))
      }
    }
  }

  /// From the repository's root.
  package let path: String
  package var bytes: Int?
  package var proof: Proof?
}

/// The hub's list of a revision's files.
package struct HubListing {
  package let commit: String
  package let files: [HubFile]

  /// Reads the answer to `/api/models/OWNER/NAME/revision/R?blobs=true`.
  /// - Throws: `HubMistake`.
  package init(_ bytes: [UInt8], commit header: String?, of name: HubName, revision: String, at hub: String) throws {
    guard let json = try? JSONValue.parse(bytes, by: .data),
      let siblings = json["siblings"]?.array,
      let commit = json["sha"]?.string ?? header ?? (HubRevision.isCommit(revision) ? revision : nil),
      commit.wholeMatch(of: #/[A-Za-z0-9]{1,64}/#) != nil
    else { throw HubMistake.noHub(hub) }
    self.commit = commit
    files = try siblings.map { entry in
      guard let path = entry["rfilename"]?.string else { throw HubMistake.noHub(hub) }
      guard Self.isSafe(path) else { throw HubMistake.unsafeName(name, path) }
      let large = entry["lfs"].flatMap { $0.isNull ? nil : $0 }
      let sha256 = large.flatMap { ($0["sha256"] ?? $0["oid"])?.string }
      let proof = HubFile.Proof(etag: sha256 ?? (large == nil ? entry["blobId"]?.string : nil))
      let bytes = (large?["size"] ?? entry["size"])?.int
      guard 0...ResponseHead.mostBytes ~= bytes ?? 0 else { throw HubMistake.noHub(hub) }
      return HubFile(path: path, bytes: bytes, proof: proof)
    }
  }

  /// Whether the path stays below the directory that it is put into, and can be shown.
  private static func isSafe(_ path: String) -> Bool {
    path.utf8.count <= 1024 && !path.contains("\\")
      && path.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
      && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        1...255 ~= $0.utf8.count && $0 != "." && $0 != ".." && $0.lowercased() != ".git"
      }
  }
}

/// The files that a download takes.
package struct HubSelection {
  package let name: HubName
  /// What the user chose; empty: what Shoal can read.
  package let globs: [String]

  package init(name: HubName, globs: [String]) { (self.name, self.globs) = (name, globs) }

  private static let model = ["*.safetensors", "*.json", "*.txt", "*.jinja", "tokenizer.model"]
  private static let pickles = ["pytorch_model*.bin", "adapter_model.bin", "*.pth"]
  private static let data = ["parquet", "json", "jsonl", "ndjson", "csv", "tsv", "txt"]

  private var active: [String] {
    guard globs.isEmpty else {
      // As huggingface_hub: a directory's name means all below it.
      return globs.map { $0.hasSuffix("/") ? $0 + "*" : $0 }
    }
    guard name.kind == .dataset else { return Self.model }
    // README.md says which files are of which subset.
    return ["README.md"] + ["", ".gz", ".zst"].flatMap { packed in Self.data.map { "*.\($0)\(packed)" } }
  }

  /// - Throws: `HubMistake` if nothing is wanted, or if a model has its weights in pickles alone.
  package func files(of listing: HubListing) throws -> [HubFile] {
    let globs = active
    // The star of fnmatch includes slashes, here as in huggingface_hub.
    let wanted = listing.files.filter { file in globs.contains { fnmatch($0, file.path, 0) == 0 } }
    guard wanted.contains(where: { self.globs.isEmpty ? $0.path != "README.md" : true }) else {
      throw HubMistake.nothingMatches(name, globs: globs, names: listing.files.map(\.path))
    }
    if self.globs.isEmpty, name.kind == .model, !wanted.contains(where: { $0.path.hasSuffix(".safetensors") }),
      let pickle = listing.files.first(where: { file in
        Self.pickles.contains { fnmatch($0, file.path, 0) == 0 }
      })
    {
      throw HubMistake.picklesOnly(name, pickle.path)
    }
    return wanted
  }
}
