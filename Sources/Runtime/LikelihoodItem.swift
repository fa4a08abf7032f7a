// Likelihood requests as messages. Requests are in the order of their tokens, so each is told as what it adds.

import Collectives
import Model
import Tensors

/// Some requests, to be sent to the next free rank.
package struct LikelihoodItem {
  /// Each with its number among all requests.
  package var requests: [(number: Int, request: LikelihoodRequest)]

  package init(_ requests: [(number: Int, request: LikelihoodRequest)]) { self.requests = requests }

  /// The message.
  package var bytes: [UInt8] {
    var writer = MessageWriter()
    writer.append(requests.count)
    var before: [Int32] = []
    for (number, request) in requests {
      let tokens = request.tokens
      let shared = before.commonPrefixCount(tokens)
      writer.append(number)
      writer.append(request.context.count)
      writer.append(shared)
      writer.append(tokens: Array(tokens.dropFirst(shared)))
      before = tokens
    }
    return writer.bytes
  }

  /// - Throws: `DamagedMessage`.
  package init(bytes: [UInt8]) throws {
    var reader = MessageReader(bytes: bytes)
    requests = []
    var tokens: [Int32] = []
    for _ in 0..<(try reader.count()) {
      let (number, context, shared) = (try reader.next(), try reader.next(), try reader.next())
      guard 0...tokens.count ~= shared else { throw DamagedMessage() }
      tokens = tokens.prefix(shared) + (try reader.tokens())
      guard context > 0, context < tokens.count else { throw DamagedMessage() }
      let request = LikelihoodRequest(
        context: Array(tokens.prefix(context)), continuation: Array(tokens.dropFirst(context)))
      requests.append((number, request))
    }
    guard reader.isAtEnd else { throw DamagedMessage() }
  }

  /// The message of the item's results.
  package static func resultBytes(_ results: [(number: Int, likelihood: Likelihood)]) -> [UInt8] {
    var writer = MessageWriter()
    writer.append(results.count)
    for (number, likelihood) in results {
      writer.append(number)
      writer.append(likelihood.isGreedy ? 1 : 0)
      writer.append(likelihood.tokens.count)
      for token in likelihood.tokens { writer.append(token) }
    }
    return writer.bytes
  }

  /// - Throws: `DamagedMessage`.
  package static func results(_ bytes: [UInt8]) throws -> [(number: Int, likelihood: Likelihood)] {
    var reader = MessageReader(bytes: bytes)
    let results = try (0..<(try reader.count())).map { _ in
      let (number, isGreedy) = (try reader.next(), try reader.next() == 1)
      let tokens = try (0..<(try reader.count())).map { _ in try reader.number() }
      return (number, Likelihood(tokens: tokens, isGreedy: isGreedy))
    }
    guard reader.isAtEnd else { throw DamagedMessage() }
    return results
  }

  /// Divides requests into items of about `rows` tokens that no earlier request of the item has.
  /// - Parameter requests: in the order of their tokens.
  package static func divide(
    _ requests: [(number: Int, request: LikelihoodRequest)], rows: Int
  ) -> [(item: LikelihoodItem, cost: Double)] {
    var items: [(item: LikelihoodItem, cost: Double)] = []
    var before: ArraySlice<Int32> = []
    for entry in requests {
      let tokens = entry.request.tokens.dropLast()
      let new = tokens.count - before.commonPrefixCount(tokens)
      if let last = items.last, last.cost + Double(new) <= Double(rows) {
        items[items.count - 1].item.requests.append(entry)
        items[items.count - 1].cost += Double(new)
      } else {
        items.append((LikelihoodItem([entry]), Double(new)))
      }
      before = tokens
    }
    return items
  }
}
