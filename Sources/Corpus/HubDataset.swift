// A path of data that is a data set of the hub, or a place in one.

package import Checkpoints
import Glibc

/// `OWNER/NAME`, or `OWNER/NAME/PLACE` with a file, a directory or a pattern.
package struct HubDataset: Sendable, Equatable {
  package let name: HubName
  /// Nil: all of it.
  package let place: String?

  /// Nil if the path is there, if no data set can have the name, or if the name is rather that of a file that is missing.
  package init?(_ path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let text = parts.prefix(2).joined(separator: "/")
    guard let name = HubName(text, .dataset), !DataFormat.isFileName(text),
      !entryExists(path), parts.count < 3 || !entryExists(parts[0])
    else { return nil }
    self.name = name
    let place = parts.dropFirst(2).joined(separator: "/")
    self.place = place.isEmpty ? nil : place
  }

  /// What a download takes; empty: what Shoal reads.
  package var globs: [String] {
    guard let place else { return [] }
    // The hub's star includes slashes, but two of them with a slash are not nothing.
    return Set([place, place.replacing("**/", with: ""), "\(withoutTrailingSlashes(place))/*"]).sorted()
  }

  /// The path in the hub's cache; nil for a name without an owner that the cache does not have.
  /// - Throws: `HubRefusal` if the cache lacks the data set, or what the place names.
  package func path(revision: String?) throws(HubRefusal) -> String? {
    let directory = try HubCache.directory(
      of: name.text, revision: revision, for: place == nil ? .dataset : .datasetPart)
    guard directory != name.text else { return nil }
    guard let place else { return directory }
    let path = "\(directory)/\(place)"
    guard access(path, F_OK) == 0 || (try? FilePattern.files(path)) != nil else {
      throw HubRefusal(name, revision, .incomplete(snapshot: directory, missing: [place], isUnderWay: false))
    }
    return path
  }
}
