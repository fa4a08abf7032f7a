// Encodes a record as token ids. TRL's formats are tokenised as in TRL 1.16's DPOTrainer, SFTTrainer and KTOTrainer,
// and axolotl's as in axolotl, except that text inside a field never becomes a special token.

/// A record's tree, with the facts that only the encoder knows.
package struct EncodedExample: Sendable, Equatable {
  package var tree: ExampleTree
  /// The ranges of the prompt's tokens that are its own texts, which truncation may cut. The rest is template.
  package let texts: [Range<Int>]
  /// Whether it is one running text, which may be divided into pieces.
  package let isRunningText: Bool
  package let traits: Traits

  /// Facts that are reported to the user.
  package struct Traits: Sendable, Equatable {
    /// Tokens left out at the prompt's end, because they are different when a completion follows.
    package var seamTokens = 0
    /// Whether a field contains the text of a special token, which TRL and axolotl would read as the token.
    package var holdsSpecialText = false
    /// Whether both completions are equal.
    package var isEqualPair = false
    /// Whether a system field was ignored, because the prompt is already rendered.
    package var ignoresSystem = false
  }
}

/// Turns records into example trees.
package struct ExampleEncoder: Sendable {
  let tokenizer: Tokenizer
  let template: ChatTemplate?
  /// `train_on_inputs`: the prompt of a single completion is in the loss too, so it is never cut. For preferences the
  /// prompt is never in the loss.
  private let trainsOnInputs: Bool
  /// What gives a template to a caller without one.
  private let templateKey: String

  /// - Parameters:
  ///   - template: needed for conversations only.
  ///   - templateKey: the key or flag that chooses another template, for errors.
  package init(
    tokenizer: Tokenizer, template: ChatTemplate?, trainsOnInputs: Bool = false, templateKey: String = "chat_template"
  ) {
    (self.tokenizer, self.template, self.trainsOnInputs) = (tokenizer, template, trainsOnInputs)
    self.templateKey = templateKey
  }

  /// Encodes a record as the tree with index `index`; the chosen completion comes first.
  /// - Throws: `RecordProblem` if the prompt or the trained part is empty, or if the model has no chat template or
  ///   end-of-text token that the record needs.
  package func encode(_ record: ExampleRecord, index: Int) throws(RecordProblem) -> EncodedExample {
    let sequences: Sequences
    switch record.form {
    case .texts(let prompt, let completions): sequences = try texts(prompt, completions)
    case .messages(let prompt, let completions): sequences = try messages(prompt, completions)
    case .chat(let prompt, let prefill, let completions):
      sequences = try chat(prompt, prefill: prefill, completions)
    case .alpaca(let instruction, let input, let output): sequences = try alpaca(instruction, input, output)
    case .conversation(let messages, let turns): return try conversation(messages, turns, index: index)
    case .text(let text): return try runningText(text, index: index)
    }
    return try example(sequences, of: record, index: index)
  }

  // MARK: Prompt and completions

  /// Ids of a prompt, and of the prompt with each completion.
  struct Sequences {
    var prompt: [Int32]
    var whole: [[Int32]]
    /// The ranges of the prompt's texts.
    var texts: [Range<Int>]
    var holdsSpecialText: Bool
  }

  /// The prompt ends at the first token where its ids differ from those of prompt + completion, at the earliest such
  /// place of all completions. All completions start there.
  private func example(
    _ sequences: Sequences, of record: ExampleRecord, index: Int
  ) throws(RecordProblem) -> EncodedExample {
    let length = sequences.whole.map { ChatTokens.commonPrefix(sequences.prompt, $0) }.min() ?? 0
    guard length > 0 else {
      throw RecordProblem(
        "no token of the prompt is left before the completions, because they merge: end the prompt on the "
          + "boundary of a token, as with a line break")
    }
    var tree = ExampleTree(
      index: index, prompt: Array(sequences.prompt[..<length]),
      completions: sequences.whole.map { Array($0[length...]) }, label: record.label)
    if trainsOnInputs, tree.completions.count == 1, record.label == nil {
      tree.completions = [Array(sequences.whole[0].dropFirst())]
      tree.prompt.removeSubrange(1...)
    }
    return EncodedExample(
      tree: tree, texts: sequences.texts.map { $0.clamped(to: 0..<tree.prompt.count) }, isRunningText: false,
      traits: EncodedExample.Traits(
        seamTokens: sequences.prompt.count - length, holdsSpecialText: sequences.holdsSpecialText,
        isEqualPair: record.isEqualPair, ignoresSystem: record.ignoresSystem))
  }

  /// Appends the end-of-sequence token to every completion; if the text already ends with it, it occurs once.
  private func texts(_ prompt: String, _ completions: [String]) throws(RecordProblem) -> Sequences {
    let (ending, id) = try endOfText()
    let bare = completions.map { Self.text($0, without: ending) }
    let ids = tokenizer.encode(prompt)
    return Sequences(
      prompt: ids, whole: bare.map { tokenizer.encode(prompt + $0) + [id] }, texts: [0..<ids.count],
      holdsSpecialText: ([prompt] + bare).contains(where: tokenizer.holdsSpecialText))
  }

  private func messages(_ prompt: [ChatMessage], _ completions: [[ChatMessage]]) throws(RecordProblem) -> Sequences {
    let template = try requiredTemplate()
    let start = ChatTokens(template.pieces(prompt, generationPrompt: true), tokenizer)
    let whole = completions.map {
      ChatTokens(template.pieces(prompt + $0, generationPrompt: false), tokenizer, startingAs: start).ids
    }
    let contents = (prompt + completions.joined()).map(\.content)
    return Sequences(
      prompt: start.ids, whole: whole, texts: start.contents.suffix(prompt.count),
      holdsSpecialText: contents.contains(where: tokenizer.holdsSpecialText))
  }

  /// axolotl builds strings, which TRL tokenises. The completion follows the prefill and ends in `<|im_end|>` without a
  /// line feed. If that is not the end-of-sequence token, the end-of-sequence token follows.
  private func chat(
    _ prompt: ExampleRecord.ChatPrompt, prefill: String, _ completions: [String]
  ) throws(RecordProblem) -> Sequences {
    let (ending, _) = try endOfText()
    guard tokenizer.id(ofToken: ChatTemplate.start) != nil, tokenizer.id(ofToken: ChatTemplate.end) != nil else {
      throw RecordProblem(
        "ChatML needs the special tokens \(ChatTemplate.start) and \(ChatTemplate.end), which the model's "
          + "tokenizer lacks")
    }
    var pieces: [ChatPiece]
    var fields = completions + [prefill]
    let turns: Int?
    switch prompt {
    case .chatML(let messages):
      pieces = ChatTemplate.chatML.pieces(messages, generationPrompt: true)
      (turns, fields) = (messages.count, fields + messages.map(\.content))
    case .template(let messages):
      pieces = try requiredTemplate().pieces(messages, generationPrompt: true)
      (turns, fields) = (messages.count, fields + messages.map(\.content))
    case .rendered(let text):
      pieces = tokenizer.pieces(text)
      turns = nil
    }
    pieces.append(.text(prefill))
    let start = ChatTokens(pieces, tokenizer)
    let end: [ChatPiece] =
      [.special(ChatTemplate.end)] + (ending == ChatTemplate.end ? [] : [.special(ending)])
    let whole = completions.map { ChatTokens(pieces + [.text($0)] + end, tokenizer, startingAs: start).ids }
    return Sequences(
      prompt: start.ids, whole: whole, texts: turns.map { start.contents.suffix($0) } ?? start.contents,
      holdsSpecialText: fields.contains(where: tokenizer.holdsSpecialText))
  }

  /// axolotl tokenises the prompt and the response separately, so tokens never merge across them.
  private func alpaca(_ instruction: String, _ input: String, _ output: String) throws(RecordProblem) -> Sequences {
    let (ending, id) = try endOfText()
    let parts = AlpacaPrompt.parts(instruction: instruction, input: input)
    let prompt = tokenizer.encode(parts.map(\.text).joined())
    let texts = parts.indices.filter { parts[$0].isContent }.map { place in
      contentRange(
        in: prompt, before: parts[..<place].map(\.text).joined(), after: parts[(place + 1)...].map(\.text).joined())
    }
    let bare = Self.text(output, without: ending)
    return Sequences(
      prompt: prompt, whole: [prompt + tokenizer.encode(bare) + [id]], texts: texts,
      holdsSpecialText: [instruction, input, bare].contains(where: tokenizer.holdsSpecialText))
  }

  /// The tokens between two texts around a content; a token that holds bytes of both counts as part of those texts.
  private func contentRange(in ids: [Int32], before: String, after: String) -> Range<Int> {
    let head = tokenizer.encode(before)
    let tail = tokenizer.encode(after)
    let start = ChatTokens.commonPrefix(head, ids)
    let end = zip(tail.reversed(), ids.reversed()).prefix { $0 == $1 }.count
    let lower = start == head.count ? start : start + 1
    let upper = ids.count - (end == tail.count ? end : end + 1)
    return lower..<max(lower, upper)
  }

  // MARK: Sequences

  private func conversation(
    _ messages: [ChatMessage], _ turns: ExampleRecord.TrainedTurns, index: Int
  ) throws(RecordProblem) -> EncodedExample {
    let tokens = ChatTokens(try requiredTemplate().pieces(messages, generationPrompt: false), tokenizer)
    let trained = zip(messages, tokens.turns.suffix(messages.count)).filter { message, _ in
      trainsOnInputs || message.role == "assistant"
    }
    let scored: [Range<Int>] =
      switch turns {
      case .afterRole:
        trainsOnInputs ? [0..<tokens.ids.count] : trained.map { $1.role.upperBound..<$1.whole.upperBound }
      case .contentAndEnd:
        trained.filter { !$0.0.content.isEmpty }.map { $1.trainedContent.lowerBound..<$1.content.upperBound + 1 }
      }
    guard let tree = ExampleTree(index: index, sequence: tokens.ids, scored: scored) else {
      throw RecordProblem("no message of the assistant has content to learn from")
    }
    return EncodedExample(
      tree: tree,
      texts: tokens.contents.suffix(messages.count).map { $0.clamped(to: 0..<tree.prompt.count) },
      isRunningText: false,
      traits: EncodedExample.Traits(
        holdsSpecialText: messages.map(\.content).contains(where: tokenizer.holdsSpecialText)))
  }

  private func runningText(_ text: String, index: Int) throws(RecordProblem) -> EncodedExample {
    let (ending, id) = try endOfText()
    let bare = Self.text(text, without: ending)
    let ids = tokenizer.encode(bare) + [id]
    guard let tree = ExampleTree(index: index, sequence: ids, scored: [0..<ids.count]) else {
      throw RecordProblem("the text is nothing but its end")
    }
    return EncodedExample(
      tree: tree, texts: [], isRunningText: true,
      traits: EncodedExample.Traits(holdsSpecialText: tokenizer.holdsSpecialText(bare)))
  }

  // MARK: Parts

  private func endOfText() throws(RecordProblem) -> (text: String, id: Int32) {
    guard let id = tokenizer.endOfSequence, let ending = tokenizer.endOfSequenceToken else {
      throw RecordProblem("a completion must end, but the model's tokenizer_config.json has no \"eos_token\"")
    }
    return (ending, id)
  }

  private func requiredTemplate() throws(RecordProblem) -> ChatTemplate {
    guard let template else {
      throw RecordProblem(
        "messages need a chat template, and the model has none that Shoal knows: set \(templateKey), or use texts")
    }
    return template
  }

  private static func text(_ text: String, without ending: String) -> String {
    // Compared by bytes: hasSuffix compares grapheme clusters, and a cluster may begin before the ending.
    let (bytes, ending) = (text.utf8, ending.utf8)
    guard bytes.count >= ending.count, bytes.suffix(ending.count).elementsEqual(ending) else { return text }
    return String(decoding: bytes.dropLast(ending.count), as: UTF8.self)
  }
}
