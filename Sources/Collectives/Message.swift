// Small messages between ranks: any Codable value.

import Foundation

/// Bytes between ranks that do not read as what was expected.
package struct DamagedMessage: Error, CustomStringConvertible {
  package init() {}

  package var description: String { "a message between ranks is damaged" }
}

extension Communicator {
  /// Rank 0's message on all ranks; what the other ranks pass does not matter. Collective.
  /// - Throws: `DamagedMessage` where it does not read.
  package func share<Message: Codable & Sendable>(_ message: Message?) throws -> Message {
    let bytes = try broadcast(message.map { Array(try JSONEncoder().encode($0)) } ?? [], from: 0)
    return try Self.decode(bytes)
  }

  /// Every rank's message on all ranks, by rank. Collective.
  /// - Throws: `DamagedMessage` where one does not read.
  package func gather<Message: Codable & Sendable>(message: Message) throws -> [Message] {
    try gather(Array(try JSONEncoder().encode(message))).map(Self.decode)
  }

  private static func decode<Message: Codable & Sendable>(_ bytes: [UInt8]) throws -> Message {
    guard let message = try? JSONDecoder().decode(Message.self, from: Data(bytes)) else { throw DamagedMessage() }
    return message
  }
}
