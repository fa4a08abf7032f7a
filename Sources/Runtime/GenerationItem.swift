// A generation request and its answer as messages.

import Collectives
import Model

/// One request, to be sent to the next rank with room for it.
package struct GenerationItem {
  /// The request's number among all requests.
  package var number: Int
  package var request: GenerationRequest

  package init(number: Int, _ request: GenerationRequest) { (self.number, self.request) = (number, request) }

  /// The message.
  package var bytes: [UInt8] {
    var writer = MessageWriter()
    let (options, rules) = (request.options, request.options.rules)
    writer.append(number)
    writer.append(tokens: request.prompt)
    writer.append(options.maximumNewTokens)
    writer.append(Int(bitPattern: UInt(options.seed)))
    writer.append(Int(bitPattern: UInt(options.stream)))
    writer.append(tokens: options.stopIDs.sorted())
    writer.append(rules.draws ? 1 : 0)
    writer.append(rules.topK)
    for number in [rules.temperature, rules.topP, rules.repetitionPenalty] { writer.append(number) }
    writer.append(request.stopTexts.count)
    for text in request.stopTexts { writer.append(text: text) }
    return writer.bytes
  }

  /// - Throws: `DamagedMessage`.
  package init(bytes: [UInt8]) throws {
    var reader = MessageReader(bytes: bytes)
    number = try reader.next()
    let prompt = try reader.tokens()
    var options = GenerationOptions(maximumNewTokens: try reader.next())
    options.seed = UInt64(UInt(bitPattern: try reader.next()))
    options.stream = UInt64(UInt(bitPattern: try reader.next()))
    options.stopIDs = Set(try reader.tokens())
    options.rules.draws = try reader.next() == 1
    options.rules.topK = try reader.next()
    options.rules.temperature = try reader.number()
    options.rules.topP = try reader.number()
    options.rules.repetitionPenalty = try reader.number()
    let stops = try (0..<(try reader.count())).map { _ in try reader.text() }
    guard reader.isAtEnd, number >= 0, !prompt.isEmpty else { throw DamagedMessage() }
    request = GenerationRequest(prompt: prompt, options, stopTexts: stops)
  }

  /// The message of an answer.
  package static func resultBytes(_ number: Int, _ answer: Answer) -> [UInt8] {
    var writer = MessageWriter()
    writer.append(number)
    writer.append(text: answer.finishReason.rawValue)
    writer.append(tokens: answer.ids)
    return writer.bytes
  }

  /// - Throws: `DamagedMessage`.
  package static func result(_ bytes: [UInt8]) throws -> (number: Int, answer: Answer) {
    var reader = MessageReader(bytes: bytes)
    let number = try reader.next()
    let reason = Generation.FinishReason(rawValue: try reader.text())
    let ids = try reader.tokens()
    guard reader.isAtEnd, let reason else { throw DamagedMessage() }
    return (number, Answer(ids: ids, finishReason: reason))
  }
}
