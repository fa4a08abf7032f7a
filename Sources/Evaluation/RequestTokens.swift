// Requests as token ids: where a text is cut into context and continuation, and what does not fit a model.

package import Corpus
import Patterns
package import Runtime

/// Turns the texts of requests into ids as lm-eval's model of transformers does: special tokens that a text spells are
/// these tokens.
package struct RequestTokens: Sendable {
  private let tokenizer: Tokenizer
  /// Positions of the model.
  private let maximumLength: Int
  /// Stands before a text that nothing stands before.
  let prefixToken: Int32
  private let prefixText: String

  /// - Throws: `EvaluationError` if the tokenizer has no token that begins a text, and none that ends one.
  package init(_ tokenizer: Tokenizer, maximumLength: Int) throws(EvaluationError) {
    guard let prefix = tokenizer.beginOfSequence ?? tokenizer.endOfSequence else {
      throw EvaluationError(
        tokenizer.path, "there is no bos_token and no eos_token, one of which stands before texts without a context")
    }
    (self.tokenizer, self.maximumLength, prefixToken) = (tokenizer, maximumLength, prefix)
    prefixText = tokenizer.decode([prefix])
  }

  private func encode(_ text: String) -> [Int32] {
    text.utf8.starts(with: prefixText.utf8)
      ? tokenizer.encode(text, allowSpecial: true) : tokenizer.encodeWhole(text, allowSpecial: true)
  }

  /// The ids of a continuation and of its context, whose first ones are left out if they do not fit the model.
  ///
  /// White space at the end of the context belongs to the continuation, as tokens have it at their beginning.
  /// - Throws: `DocumentProblem` if the continuation has no tokens, or more than the model has positions.
  package func likelihood(
    context: String, continuation: String
  ) throws(DocumentProblem) -> (request: LikelihoodRequest, isCut: Bool) {
    let trimmed = context.strippedEnd
    let space = String(context.unicodeScalars.dropFirst(trimmed.characterCount))
    guard !trimmed.isEmpty else {
      // lm-eval fails where the context is white space alone.
      let ids = tokenizer.encode(space + continuation, allowSpecial: true)
      return try ids.first == prefixToken
        ? likelihood(context: [prefixToken], continuation: Array(ids.dropFirst()))
        : likelihood(context: [prefixToken], continuation: ids)
    }
    let first = encode(trimmed)
    let whole = encode(trimmed + space + continuation)
    return try likelihood(context: first, continuation: Array(whole.dropFirst(first.count)))
  }

  /// The ids of a request that fit the model.
  /// - Throws: `DocumentProblem` if the continuation is empty or too long.
  package func likelihood(
    context: [Int32], continuation: [Int32]
  ) throws(DocumentProblem) -> (request: LikelihoodRequest, isCut: Bool) {
    guard !continuation.isEmpty else { throw DocumentProblem("an answer has no tokens of its own") }
    guard continuation.count <= maximumLength else {
      throw DocumentProblem(
        "an answer has \(continuation.count) tokens, more than the \(maximumLength) positions of the model")
    }
    let excess = max(0, context.count + continuation.count - maximumLength - 1)
    return (LikelihoodRequest(context: Array(context.dropFirst(excess)), continuation: continuation), excess > 0)
  }

  /// The windows in which all tokens of a text are scored once: each as long as the model allows, the last with as much
  /// context as there is.
  package func windows(of text: String) -> [LikelihoodRequest] {
    let ids = encode(text)
    guard !ids.isEmpty else { return [] }
    let first = min(maximumLength, ids.count)
    var windows = [LikelihoodRequest(context: [prefixToken], continuation: Array(ids[..<first]))]
    var scored = first
    while scored < ids.count {
      let end = min(scored + maximumLength, ids.count)
      windows.append(
        LikelihoodRequest(
          context: Array(ids[(end - maximumLength - 1)..<scored]), continuation: Array(ids[scored..<end])))
      scored = end
    }
    return windows
  }

  /// The ids of a prompt, the last ones that leave room for an answer.
  /// - Throws: `DocumentProblem` if there is no room.
  package func prompt(
    _ text: String, answerLength: Int
  ) throws(DocumentProblem) -> (ids: [Int32], isCut: Bool) {
    let room = maximumLength - answerLength
    guard room > 0 else {
      throw DocumentProblem(
        "answers of \(answerLength) tokens leave no room for a prompt in the \(maximumLength) positions of the model")
    }
    let ids = encode(text)
    return (ids.isEmpty ? [prefixToken] : ids.suffix(room), ids.count > room)
  }

  /// The text of an answer, without special tokens, up to the first of the texts that end one.
  package func answer(_ ids: [Int32], stopTexts: [String]) -> String {
    var text = tokenizer.decode(ids.filter { !tokenizer.isSpecial($0) })
    for stop in stopTexts where !stop.isEmpty { text = text.parts(between: stop)[0] }
    return text
  }

  /// The text of the token that ends texts, which every answer stops at.
  package var endText: String? { tokenizer.endOfSequenceToken }
}
