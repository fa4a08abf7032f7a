// Reads documents as plain text: .txt and .md as they are, .pdf through poppler's pdftotext.

import Foundation
import Tensors

/// Reads one document.
package enum DocumentText {
  /// The text of a file without white space at its ends; `-` is standard input.
  /// - Throws: `DocumentError`.
  package static func read(_ path: String) throws(DocumentError) -> String {
    let data: Data
    if path == "-" {
      data = FileHandle.standardInput.readDataToEndOfFile()
    } else if path.lowercased().hasSuffix(".pdf") {
      data = try textOfPDF(path)
    } else {
      do {
        data = try Data(contentsOf: URL(fileURLWithPath: path))
      } catch {
        throw DocumentError(path, "cannot be read: \((error as NSError).localizedDescription)")
      }
    }
    guard let text = String(data: data, encoding: .utf8) else {
      throw DocumentError(path, "is not UTF-8 text: expected .txt, .md or .pdf")
    }
    let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !trimmed.isEmpty else { throw DocumentError(path, "holds no text") }
    return trimmed
  }

  /// Runs pdftotext without a shell, so no character of a path has a special meaning.
  private static func textOfPDF(_ path: String) throws(DocumentError) -> Data {
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw DocumentError(path, "cannot be read: there is no such file, or it is not yours to read")
    }
    guard let program = executable("pdftotext") else {
      throw DocumentError(
        path,
        "a .pdf is read through the program pdftotext, which is not installed: install poppler-utils, or give text")
    }
    let process = Process()
    let (output, errors) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: program)
    // An absolute path never looks like an option.
    process.arguments = ["-q", "-nopgbrk", "-enc", "UTF-8", URL(fileURLWithPath: path).path, "-"]
    (process.standardOutput, process.standardError) = (output, errors)
    do { try process.run() } catch {
      throw DocumentError(path, "\(program) cannot be started: \((error as NSError).localizedDescription)")
    }
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let told = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw DocumentError(
        path, "pdftotext refuses it: \(told.split(separator: "\n").first ?? "it is no sound PDF file")")
    }
    return text
  }

  private static func executable(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }
}

/// A document that cannot be summarised.
package struct DocumentError: UserError, Equatable {
  package let path: String
  package let reason: String

  package init(_ path: String, _ reason: String) { (self.path, self.reason) = (path, reason) }

  package var description: String { "\(path == "-" ? "standard input" : path): \(reason)" }
}
