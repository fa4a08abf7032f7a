// Texts as bert_score gives them to an encoder.

import Checkpoints
import Corpus
import Patterns
import Tensors

/// The tokenizer of an encoder, with the length that texts are cut to.
package struct EncoderTokenizer: Sendable {
  /// Around every text.
  package let first, last: Int32
  /// Tokens of a text, with those around it.
  package let maximumTokens: Int
  private let tokenizer: Tokenizer
  private let addsSpace: Bool

  /// Attention keeps a row of scores for each token.
  private static let largestMaximum = 1 << 14

  /// - Parameter maximumTokens: cuts texts shorter than the model's own limit does.
  /// - Throws: `FileError`, or `TokenizerError` if a file is malformed or does not fit the encoder.
  package init(directory: String, _ shape: EncoderConfiguration, maximumTokens: Int? = nil) throws {
    tokenizer = try Tokenizer(
      encoder: directory, specials: shape.family == .roberta ? .roberta : .deberta)
    try tokenizer.validate(vocabularySize: shape.vocabulary)
    let frame = tokenizer.encodeWhole("")
    (first, last) = (frame[0], frame[1])
    // bert_score asks for a space before RoBERTa's texts alone.
    addsSpace = shape.family == .roberta
    // Where no limit is stated, bert_score cuts to what the model was trained with, or, with later versions of
    // transformers, fails.
    let own = try Self.statedMaximum(directory) ?? shape.positions
    let limits = [own, shape.positionLimit, maximumTokens, Self.largestMaximum].compactMap { $0 }
    self.maximumTokens = max(limits.min() ?? 2, 2)
  }

  /// `model_max_length` of tokenizer_config.json; nil if there is none, or a number that stands for none.
  private static func statedMaximum(_ directory: String) throws -> Int? {
    let path = "\(directory)/tokenizer_config.json"
    guard HubFiles.exists(path) else { return nil }
    let value = try JSONValue.read(file: path, limit: 16 << 20)["model_max_length"] ?? .null
    guard !value.isNull else { return nil }
    guard let number = value.double, number >= 2 else {
      throw ContentError(path, "model_max_length", "is \(value.serialized().prefix(80))", expected: "at least 2")
    }
    return number < 1e9 ? Int(number) : nil
  }

  /// The ids of a text, without white space at its ends, between the two tokens around it.
  package func encode(_ text: String) -> [Int32] {
    let text = text.stripped
    guard !text.isEmpty else { return [first, last] }
    let ids = tokenizer.encodeWhole(addsSpace ? " " + text : text, allowSpecial: true)
    return ids.count <= maximumTokens ? ids : ids.prefix(maximumTokens - 1) + [last]
  }
}
