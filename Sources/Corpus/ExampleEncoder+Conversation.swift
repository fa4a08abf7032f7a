// Conversations, of which only some tokens are trained.

import Checkpoints
import Tensors

extension ExampleEncoder {
  func conversation(
    _ messages: [ChatMessage], _ turns: ExampleRecord.TrainedTurns, _ context: ChatTemplate.Context, index: Int
  ) throws(RecordProblem) -> EncodedExample {
    let whole = try rendered(messages, context)
    var breaksPrefix = false
    let scored: [Range<Int>] =
      switch turns {
      case .answers where trainsOnInputs: [0..<whole.ids.count]
      case .answers: try answers(messages, context, whole, &breaksPrefix)
      case .turns(let training): try trained(messages, training, context, whole)
      }
    guard let tree = ExampleTree(index: index, sequence: whole.ids, scored: scored) else {
      throw RecordProblem("no message of the assistant has content to learn from")
    }
    return EncodedExample(
      tree: tree, texts: whole.contents.map { $0.clamped(to: 0..<tree.prompt.count) }, isRunningText: false,
      traits: traits(messages.flatMap(\.texts)) {
        if breaksPrefix { $0.remarks.insert(.brokenPrefix) }
        if whole.hides(messages) { $0.remarks.insert(.hiddenMessage) }
      })
  }

  // MARK: TRL

  /// The answers of TRL's `assistant_only_loss`: what the template marks; otherwise what it adds to the chat before, with
  /// the answer's header, when the answer follows. For ChatML the line feed after the role belongs to the answer, as in
  /// the template that TRL has for Qwen2.5.
  private func answers(
    _ messages: [ChatMessage], _ context: ChatTemplate.Context, _ whole: ChatTokens, _ breaksPrefix: inout Bool
  ) throws(RecordProblem) -> [Range<Int>] {
    let template = try requiredTemplate()
    guard !template.marksAnswers else { return whole.generated }
    if isPlainChatML(messages) { return answersOfChatML(messages, whole) }
    var ranges: [Range<Int>] = []
    for (place, message) in messages.enumerated() where message.role == "assistant" {
      let chat = Array(messages[...place])
      let answered = chat.count == messages.count ? whole : try rendered(chat, context, startingAs: whole)
      let start =
        place == 0
        ? try firstAnswer(in: answered)
        : try header(Array(messages[..<place]), context, startingAs: whole).commonPrefixCount(answered.ids)
      if answered.ids.elementsEqual(whole.ids.prefix(answered.ids.count)) {
        ranges.append(start..<answered.ids.count)
        continue
      }
      breaksPrefix = true
      guard let content = try written(place, of: messages, context, whole),
        let alone = try written(place, of: chat, context, answered)
      else {
        // Nothing can be learnt of an empty answer.
        if message.content.isEmpty, message.others.isEmpty { continue }
        throw RecordProblem(
          "the chat template renders message \(place) otherwise once others follow, so that what is trained is not clear: "
            + "use a template with {% generation %}, or leave the later messages out")
      }
      let ending = answered.ids[alone.upperBound...].commonPrefixCount(whole.ids[content.upperBound...])
      let isHeaderSame = answered.ids.prefix(start).elementsEqual(whole.ids.prefix(start))
      ranges.append((isHeaderSame ? min(content.lowerBound, start) : content.lowerBound)..<content.upperBound + ending)
    }
    return ranges
  }

  /// The tokens of a content; of an answer that is nothing but tool calls, those that another content would change.
  private func written(
    _ place: Int, of messages: [ChatMessage], _ context: ChatTemplate.Context, _ tokens: ChatTokens
  ) throws(RecordProblem) -> Range<Int>? {
    if let content = tokens.contentsByMessage[place] { return content }
    return try content(of: place, in: messages, context, tokens)
  }

  /// Whether a chat is turns of ChatML, one for each message, after a default system message if there is one.
  private func isPlainChatML(_ messages: [ChatMessage]) -> Bool {
    template?.isChatML == true
      && messages.allSatisfy { $0.others.isEmpty && ["system", "user", "assistant"].contains($0.role) }
  }

  /// The same answers without rendering the chat before each of them.
  private func answersOfChatML(_ messages: [ChatMessage], _ whole: ChatTokens) -> [Range<Int>] {
    let starts = whole.places(ofSpecial: ChatTemplate.start).suffix(messages.count)
    let ends = starts.dropFirst() + [whole.ids.count]
    let role = tokenizer.encode("assistant").count
    return zip(messages, zip(starts, ends)).filter { $0.0.role == "assistant" }.map { _, turn in
      turn.0 + 1 + role..<turn.1
    }
  }

  /// The ids of a chat with the header of an answer.
  private func header(
    _ messages: [ChatMessage], _ context: ChatTemplate.Context, startingAs start: ChatTokens?
  ) throws(RecordProblem) -> [Int32] {
    let pieces = try pieces(messages, context, generationPrompt: true)
    return tokens(try requiredTemplate().isChatML ? pieces.trimmingEnd() : pieces, startingAs: start).ids
  }

  /// Where the answer that begins a chat begins. No chat precedes it, so that its header is looked for.
  private func firstAnswer(in tokens: ChatTokens) throws(RecordProblem) -> Int {
    let question = [ChatMessage(role: "user", content: "x")]
    let context = ChatTemplate.Context()
    let asked = try rendered(question, context).ids
    let header = Array(try header(question, context, startingAs: nil).dropFirst(asked.count))
    guard !header.isEmpty, let place = tokens.ids.firstRange(of: header) else {
      return tokens.contentsByMessage[0]?.lowerBound ?? 0
    }
    return place.upperBound
  }

  // MARK: axolotl

  /// What axolotl's chat_template trains: the contents of turns and the tokens that end them, found by rendering each turn
  /// with another content.
  private func trained(
    _ messages: [ChatMessage], _ training: TurnTraining, _ context: ChatTemplate.Context, _ whole: ChatTokens
  ) throws(RecordProblem) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    let options = [
      (training.endOfTurn ?? training.endOfSequence, endsOfTurn(training)),
      (training.endOfSequence, Set([tokenizer.endOfSequence].compactMap(\.self))),
    ]
    var lastEnds: [Int?] = [nil, nil]
    let isPlain = isPlainChatML(messages)
    let contents = isPlain ? whole.contentsByMessage : [:]
    for (place, message) in messages.enumerated() {
      let isTrained =
        message.isTrained ?? (!message.parts.isEmpty || trainsOnInputs || training.roles.contains(message.role))
      guard isTrained || options.contains(where: { $0.0 == .all }) else { continue }
      let found = try isPlain ? contents[place] : self.content(of: place, in: messages, context, whole)
      guard let content = found else { continue }
      let ending = whole.ids[content.upperBound...].first(where: tokenizer.isSpecial)
      if isTrained {
        ranges += message.parts.isEmpty ? [content] : trainedParts(of: message, from: content.lowerBound)
      }
      for (number, (ends, tokens)) in options.enumerated() {
        let tokens =
          number == 0 && training.endOfTurnTokens == nil ? tokens.union([ending].compactMap(\.self)) : tokens
        let after = content.upperBound..<min(content.upperBound + 4, whole.ids.count)
        guard let end = after.first(where: { tokens.contains(whole.ids[$0]) }) else { continue }
        lastEnds[number] = end
        if ends == .all || ends == .turn && isTrained { ranges.append(end..<end + 1) }
      }
    }
    for (option, end) in zip(options, lastEnds) {
      if option.0 == .last, let end { ranges.append(end..<end + 1) }
    }
    return Self.merged(ranges, count: whole.ids.count)
  }

  private func endsOfTurn(_ training: TurnTraining) -> Set<Int32> {
    guard let tokens = training.endOfTurnTokens else { return Set([tokenizer.endOfSequence].compactMap(\.self)) }
    return Set(tokens.compactMap { tokenizer.id(ofToken: $0) })
  }

  /// The tokens of a turn's content, with those in which it differs from a turn with another content, such as tool calls;
  /// nil for an empty turn.
  ///
  /// As in axolotl, the chat is rendered with two other contents, which begin and end differently. A token that is partly
  /// the turn's belongs to it.
  private func content(
    of place: Int, in messages: [ChatMessage], _ context: ChatTemplate.Context, _ whole: ChatTokens
  ) throws(RecordProblem) -> Range<Int>? {
    let text = Array(whole.text.utf8)
    var span = text.count..<text.count
    var chat = messages
    for other in ["[[dummy_message]]", "zzdummymessagezz"] {
      chat[place] = ChatMessage(role: messages[place].role, content: other)
      if !messages[place].parts.isEmpty {
        chat[place].others = messages[place].others.filter { $0.name == "reasoning_content" }
      }
      let otherText = try pieces(chat, context, generationPrompt: false).map(\.text).joined()
      let own = Self.difference(text, Array(otherText.utf8))
      span = span.isEmpty ? own : min(span.lowerBound, own.lowerBound)..<max(span.upperBound, own.upperBound)
    }
    guard !span.isEmpty, case let content = whole.tokens(in: span), !content.isEmpty else { return nil }
    return content
  }

  /// The bytes of a text's characters that another text does not have at its start or at its end.
  private static func difference(_ text: [UInt8], _ other: [UInt8]) -> Range<Int> {
    func isInside(_ place: Int) -> Bool { place < text.count && text[place] & 0xC0 == 0x80 }
    let limit = min(text.count, other.count)
    var start = text.commonPrefixCount(other)
    while start > 0, isInside(start) { start -= 1 }
    var tail = min(text.reversed().commonPrefixCount(other.reversed()), limit - start)
    while tail > 0, isInside(text.count - tail) { tail -= 1 }
    return start..<max(start, text.count - tail)
  }

  /// The tokens of a content that lie in its trained parts. A token that is partly in one belongs to it if more than its
  /// last character is; so axolotl has it.
  private func trainedParts(of message: ChatMessage, from start: Int) -> [Range<Int>] {
    let ids = tokenizer.encode(message.content, allowSpecial: parsesSpecialTokens)
    // The first code point of each token, and the last one before the next token.
    var firsts: [Int] = []
    var bytes = 0
    let utf8 = Array(message.content.utf8)
    var points = 0
    for id in ids {
      firsts.append(max(0, bytes < utf8.count && utf8[bytes] & 0xC0 == 0x80 ? points - 1 : points))
      let count = tokenizer.bytes(of: id).count
      points += utf8[min(bytes, utf8.count)..<min(bytes + count, utf8.count)].count { $0 & 0xC0 != 0x80 }
      bytes += count
    }
    let lasts = firsts.dropFirst().map { $0 - 1 } + [points - 1]
    var ranges: [Range<Int>] = []
    for part in message.parts where part.isTrained && !part.range.isEmpty {
      let (begin, end) = (part.range.lowerBound, part.range.upperBound - 1)
      var first = firsts.firstIndex { $0 >= begin } ?? firsts.count
      if first > 0, lasts[first - 1] > begin { first -= 1 }
      var last = lasts.lastIndex { $0 <= end } ?? -1
      if last + 1 < firsts.count, firsts[last + 1] < end { last += 1 }
      if first <= last { ranges.append(start + first..<start + last + 1) }
    }
    return ranges
  }

  /// Ascending ranges that do not touch.
  private static func merged(_ ranges: [Range<Int>], count: Int) -> [Range<Int>] {
    var isTrained = [Bool](repeating: false, count: count)
    for place in ranges.joined() where place < count { isTrained[place] = true }
    var merged: [Range<Int>] = []
    for place in isTrained.indices where isTrained[place] {
      if let last = merged.last, last.upperBound == place {
        merged[merged.count - 1] = last.lowerBound..<place + 1
      } else {
        merged.append(place..<place + 1)
      }
    }
    return merged
  }
}
