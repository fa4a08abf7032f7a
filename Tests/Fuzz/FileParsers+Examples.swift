// The file of encoded examples.

import Checkpoints
import Corpus

extension FileParsers {
  static let record = #"{"prompt":"a b","chosen":" c","rejected":" d e"}"# + "\n"

  static func examples(_ root: String, _ encoder: ExampleEncoder) throws -> ExampleList {
    let store = ExampleStore(directory: "\(root)/store", program: "p", tokenizer: "t", smallestBytes: 0)
    return try Dataset(
      sources: [Dataset.Source(paths: ["\(root)/examples.jsonl"])], encoder: encoder,
      limit: LengthLimit(sequenceLength: 24), store: store
    ).examples
  }

  /// Raw, or with the correct key and hash. What is damaged is made again, so that there are always examples.
  func examples(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, raw) = split(bytes, among: 2) else { return }
    try write(choice == 0 ? raw : sealed(raw), "store/\(examplesName)")
    let list = try Self.examples(root, encoder)
    precondition(list.count > 0, "there are no examples")
    for place in list.indices {
      _ = list.outline(place)
      let tree = try list.tree(place)
      precondition(tree.isWellFormed, "the example is not well formed")
    }
  }

  /// The bytes of the input, tokens and entries, with what makes them the file of these data. The first bytes are the
  /// number of examples and the place of their entries.
  private func sealed(_ raw: [UInt8]) -> [UInt8] {
    guard raw.count > 3 else { return raw }
    let (count, block) = (Int64(raw[0]), Int64(raw[1]) << 8 + Int64(raw[2]))
    var content = Array(raw[3...])
    func number(ofFile place: Int) -> Int {
      examplesFile.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: examplesFile.count - 72 + 8 * place, as: Int.self)
      }
    }
    let information = examplesFile[number(ofFile: 1)..<number(ofFile: 2)]
    let entries = content.dropFirst(Int(block)).prefix(104 * Int(count))
    let start = Int64(content.count)
    let middle = start + Int64(information.count)
    func words(_ numbers: Int64...) -> [UInt8] { numbers.flatMap { withUnsafeBytes(of: $0, Array.init) } }
    let rest =
      information + words(block) + examplesFile.dropLast(72).suffix(72)
      + words(count, start, middle, middle, middle + 8)
    content += rest
    let hash = SHA256()
    hash.append(Array(entries))
    hash.append(Array(rest))
    return content + hash.digest
  }
}
