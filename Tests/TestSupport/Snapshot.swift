// Everything in a directory, to show that a command changed nothing of it.

import Foundation

extension TestDirectory {
  /// What is where: names, types, bytes and the targets of links, without what tests and caches put there.
  package func snapshot(_ directory: String = "") throws -> [String: String] {
    let manager = FileManager.default
    let root = directory.isEmpty ? path : path(directory)
    return try manager.subpathsOfDirectory(atPath: root).reduce(into: [:]) { found, name in
      guard !name.hasPrefix("job-"), !name.hasPrefix("cache") else { return }
      let file = "\(root)/\(name)"
      switch try manager.attributesOfItem(atPath: file)[.type] as? FileAttributeType {
      case .typeDirectory: found[name] = "directory"
      case .typeSymbolicLink: found[name] = "link to \(try manager.destinationOfSymbolicLink(atPath: file))"
      default: found[name] = try Data(contentsOf: URL(fileURLWithPath: file)).base64EncodedString()
      }
    }
  }

  package func makeDirectory(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
  }

  package func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path(name), withDestinationPath: target)
  }

  package func hardLink(_ name: String, to file: String) throws {
    try FileManager.default.linkItem(atPath: path(file), toPath: path(name))
  }
}
