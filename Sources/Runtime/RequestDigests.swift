// What a journal keeps of requests and results.

import Checkpoints
import Model

extension LikelihoodRequest {
  /// Identifies the request.
  package var digest: String {
    var writer = MessageWriter()
    writer.append(text: "likelihood")
    writer.append(tokens: context)
    writer.append(tokens: continuation)
    return String(SHA256.text(of: writer.bytes).prefix(32))
  }
}

extension GenerationRequest {
  /// Identifies the request.
  package var digest: String {
    String(SHA256.text(of: Array("generation".utf8) + GenerationItem(number: 0, self).bytes).prefix(32))
  }
}

extension Likelihood {
  var json: JSONValue { ["tokens": .array(tokens.map(JSONValue.number)), "is_greedy": .bool(isGreedy)] }

  /// Nil if the value is no likelihood.
  init?(_ json: JSONValue?) {
    guard let tokens = json?["tokens"]?.array?.map(\.double), !tokens.contains(nil),
      let isGreedy = json?["is_greedy"]?.bool
    else { return nil }
    self.init(tokens: tokens.compactMap(\.self), isGreedy: isGreedy)
  }
}

extension Answer {
  var json: JSONValue {
    ["ids": .array(ids.map { .integer(Int64($0)) }), "finish_reason": .string(finishReason.rawValue)]
  }

  /// Nil if the value is no answer.
  init?(_ json: JSONValue?) {
    guard let ids = json?["ids"]?.array?.map(\.int), !ids.contains(nil),
      let reason = json?["finish_reason"]?.string.flatMap(Generation.FinishReason.init)
    else { return nil }
    self.init(ids: ids.compactMap { $0.flatMap(Int32.init(exactly:)) }, finishReason: reason)
  }
}
