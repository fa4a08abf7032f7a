// Small messages between ranks: any Codable value.

import Foundation

/// A message between ranks that cannot be decoded.
package struct DamagedMessage: Error, CustomStringConvertible {
  package init() {}

  package var description: String { "a message between ranks is damaged" }
}

extension Communicator {
  /// Rank 0's message on all ranks; the argument of the other ranks is ignored. Collective.
  /// - Throws: `DamagedMessage` if it cannot be decoded.
  package func share<Message: Codable & Sendable>(_ message: Message?) throws -> Message {
    let bytes = try broadcast(message.map { Array(try JSONEncoder().encode($0)) } ?? [], from: 0)
    return try Self.decode(bytes)
  }

  /// Every rank's message on all ranks, by rank. Collective.
  /// - Throws: `DamagedMessage` if a message cannot be decoded.
  package func gather<Message: Codable & Sendable>(message: Message) throws -> [Message] {
    try gather(Array(try JSONEncoder().encode(message))).map(Self.decode)
  }

  private static func decode<Message: Codable & Sendable>(_ bytes: [UInt8]) throws -> Message {
    guard let message = try? JSONDecoder().decode(Message.self, from: Data(bytes)) else { throw DamagedMessage() }
    return message
  }
}
