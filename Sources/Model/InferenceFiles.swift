// The files that make every program address an adapter or an exported model as training did.

package import Checkpoints
package import Corpus
import Tensors

/// Chat template, end-of-answer ids and origin, beside an adapter or in an export.
package struct InferenceFiles: Sendable {
  /// Writes one file; `AtomicDirectory.file` is one.
  package typealias Write = (_ name: String, _ body: (OutputFile) throws -> Void) throws -> Void

  private static let generationName = GenerationDefaults.name
  private static let tokenizerName = "tokenizer_config.json"

  /// What stands beside every adapter.
  package static let names = [AdapterOrigin.fileName, ChatTemplate.fileName, generationName]
  /// What stands beside the adapter of a finished run, and in an export.
  package static let namesWithTokenizer = Set(names).union(HubFiles.tokenizer)

  /// The base's directory.
  private let base: String
  private let origin: AdapterOrigin?
  /// The Jinja text of the template; nil leaves the base's own.
  private let template: String?
  /// Ids that end an answer, besides the base's own.
  private let endIDs: [Int]

  /// The files of a run's adapter.
  /// - Parameter template: nil leaves the base's own.
  package init(base: String, origin: AdapterOrigin, template: ChatTemplate?, endIDs: [Int32]) {
    (self.base, self.origin, self.template, self.endIDs) = (base, origin, template?.jinja, endIDs.map(Int.init))
  }

  /// What the directory of an adapter says, whoever wrote it; without an adapter, what the base's says.
  /// - Throws: `FileError`, `ContentError`, `TokenizerError` for files that are damaged.
  package init(adapter: String?, base: String) throws {
    self.base = base
    origin = try AdapterOrigin(directory: adapter ?? base)
    guard let adapter else {
      (template, endIDs) = (nil, [])
      return
    }
    template = try ChatTemplate.text(in: adapter)
    let generation = "\(adapter)/\(Self.generationName)"
    endIDs =
      HubFiles.exists(generation) ? Self.ids(try JSONValue.read(file: generation, limit: 1 << 20)["eos_token_id"]) : []
  }

  private static func ids(_ value: JSONValue?) -> [Int] { value.map { ($0.array ?? [$0]).compactMap(\.int) } ?? [] }

  // MARK: Writing

  /// Reads all that writing reads, so that a mistake in it is found before there is something to write.
  /// - Throws: `FileError`, `ContentError`.
  package func requireReadable() throws { try writeWithTokenizer { _, _ in } }

  /// Writes what an adapter needs beside it.
  /// - Throws: `FileError`, `ContentError`, and errors of `write`.
  package func write(_ write: Write) throws {
    if let origin { try write(AdapterOrigin.fileName) { try $0.append(Array(origin.text.utf8)) } }
    if let template { try write(ChatTemplate.fileName) { try $0.append(Array(template.utf8)) } }
    try writeGeneration(write)
  }

  /// Writes the same, and the base's tokenizer with the run's template and end of sequence.
  ///
  /// A tokenizer_config.json goes only with a whole tokenizer: PEFT loads the tokenizer of a directory that has one.
  package func writeWithTokenizer(_ write: Write) throws {
    try self.write(write)
    for name in HubFiles.tokenizer where HubFiles.exists("\(base)/\(name)") {
      switch name {
      case ChatTemplate.fileName where template != nil: break
      case Self.tokenizerName, "special_tokens_map.json":
        let json = changed(try JSONValue.read(file: "\(base)/\(name)", limit: 16 << 20), named: name)
        if let json {
          try write(name) { try $0.append(Array((json.serialized(indent: 2) + "\n").utf8)) }
        } else {
          try HubFiles.copy([name], from: base, write)
        }
      default: try HubFiles.copy([name], from: base, write)
      }
    }
  }

  /// A file of the base's tokenizer with the run's settings; nil if they are the base's own.
  private func changed(_ json: JSONValue, named name: String) -> JSONValue? {
    var members = json.members ?? []
    if name == Self.tokenizerName, let template {
      members.removeAll { $0.name == "chat_template" }
      members.append(.init("chat_template", .string(template)))
    }
    if let token = origin?.endOfSequence, let place = members.firstIndex(where: { $0.name == "eos_token" }) {
      let found = members[place].value
      if found.string != token, found["content"]?.string != token { members[place].value = .string(token) }
    }
    let changed = JSONValue.object(members)
    return changed == json ? nil : changed
  }

  /// Writes the base's generation_config.json with the run's ids that end an answer.
  private func writeGeneration(_ write: Write) throws {
    let path = "\(base)/\(Self.generationName)"
    let exists = HubFiles.exists(path)
    var members = exists ? try JSONValue.read(file: path, limit: 1 << 20).members ?? [] : []
    let known = try JSONValue.read(file: "\(base)/config.json", limit: 1 << 20)["eos_token_id"]
    let own = Self.ids(members.first { $0.name == "eos_token_id" }?.value ?? known)
    let new = endIDs.filter { !own.contains($0) }
    guard !new.isEmpty else { return exists ? try HubFiles.copy([Self.generationName], from: base, write) : () }
    members.removeAll { $0.name == "eos_token_id" }
    members.append(.init("eos_token_id", .array((own + new).map { .integer(Int64($0)) })))
    let text = JSONValue.object(members).serialized(indent: 2) + "\n"
    try write(Self.generationName) { try $0.append(Array(text.utf8)) }
  }
}
