// Parsers of what BERTScore and ROUGE read: files of torch.save, an encoder's directory, texts.

import Checkpoints
import Foundation
import Tensors
import TestSupport
import TextMetrics

extension FileParsers {
  func torchFile(_ bytes: UnsafeRawBufferPointer) throws {
    try write(bytes, "pytorch_model.bin")
    let file = try TorchFile(path: path("pytorch_model.bin"))
    // Every tensor byte must be inside the file.
    for entry in file.tensors.values { _ = file.file.bytes[entry.range].reduce(0, &+) }
  }

  private static let encoderNames = [
    "config.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json",
  ]

  /// A directory of an encoder in which one file is the input: its numbers for a text.
  func encoder(_ bytes: UnsafeRawBufferPointer) throws {
    guard let (choice, content) = split(bytes, among: Self.encoderNames.count) else { return }
    let sound = Repository.fixture("bert/deberta")
    try? FileManager.default.createDirectory(atPath: path("encoder"), withIntermediateDirectories: false)
    for name in Self.encoderNames + ["pytorch_model.bin"] {
      try? FileManager.default.removeItem(atPath: path("encoder/\(name)"))
      if name == Self.encoderNames[choice] {
        try write(content, "encoder/\(name)")
      } else if FileManager.default.fileExists(atPath: "\(sound)/\(name)") {
        try FileManager.default.copyItem(atPath: "\(sound)/\(name)", toPath: path("encoder/\(name)"))
      }
    }
    let shape = try EncoderConfiguration(directory: path("encoder"))
    let tokenizer = try EncoderTokenizer(directory: path("encoder"), shape, maximumTokens: 20)
    let encoder = try Encoder(directory: path("encoder"), layers: min(shape.layers, 2))
    let pool = ThreadPool(threads: 1, scratchCount: encoder.scratchCount(tokens: tokenizer.maximumTokens))
    let ids = tokenizer.encode(" The [MASK] wörld 123\n\n e\u{301}")
    precondition(encoder.forward([ids], pool).rows == ids.count, "rows are not tokens")
  }

  /// A prediction up to the first NUL, and a reference.
  func rouge(_ bytes: UnsafeRawBufferPointer) {
    let texts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    let scores = RougeScorer(usesStemmer: true).scores(reference: texts.last ?? "", prediction: texts[0])
    for score in scores {
      precondition((0...1).contains(score.fMeasure) && (0...1).contains(score.recall), "a share above 1")
    }
    // Of the whole texts, and of lines, if there is one.
    precondition(texts.contains { $0.contains("\n") } || scores[2] == scores[3], "one line has another score")
  }
}
