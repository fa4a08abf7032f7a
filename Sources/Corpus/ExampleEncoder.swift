// Encodes a record as token ids. TRL's formats are tokenised as in TRL 1.16's DPOTrainer, SFTTrainer and KTOTrainer,
// and axolotl's as in axolotl, except that text inside a field becomes a special token only where the data set asks for it.

import Tensors

/// A record's tree, with the facts that only the encoder knows.
package struct EncodedExample: Sendable, Equatable {
  package var tree: ExampleTree
  /// The ranges of the prompt's tokens that are its own texts, which truncation may cut. The rest is template.
  package let texts: [Range<Int>]
  /// Whether it is one running text, which may be divided into pieces.
  package let isRunningText: Bool
  package var traits: Traits

  /// Facts that are reported to the user.
  package struct Traits: Sendable, Equatable {
    /// Whether a field contains the text of a special token, which TRL and axolotl would read as the token.
    package var holdsSpecialText = false
    /// Whether a field contains the beginning of a ChatML turn.
    package var holdsRenderedChat = false
    /// Whether both completions are equal.
    package var isEqualPair = false
    /// What its user is told.
    package var remarks: Set<RecordRemark> = []
  }
}

/// Turns records into example trees.
package struct ExampleEncoder: Sendable {
  let tokenizer: Tokenizer
  let template: ChatTemplate?
  /// `train_on_inputs`: the prompt of a single completion is in the loss too, so it is never cut. For preferences the
  /// prompt is never in the loss.
  let trainsOnInputs: Bool
  /// Whether fields' texts that spell special tokens become these, as in TRL and axolotl.
  private(set) var parsesSpecialTokens = false
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

  /// The same, but for whether fields' texts that spell special tokens become these.
  package func parsingSpecialTokens(_ parses: Bool) -> Self {
    var encoder = self
    encoder.parsesSpecialTokens = parses
    return encoder
  }

  /// Encodes a record as the tree with index `index`; the chosen completion comes first.
  /// - Throws: `RecordProblem` if the prompt or the trained part is empty, or if the model has no chat template or
  ///   end-of-text token that the record needs.
  package func encode(_ record: ExampleRecord, index: Int) throws(RecordProblem) -> EncodedExample {
    var example = try encoded(record, index: index)
    example.traits.remarks.formUnion(record.remarks)
    example.traits.remarks.formUnion(
      record.oddities(hasTemplate: template != nil && !example.traits.holdsRenderedChat))
    if let template, template.leavesOutParts(of: record.messages, record.context) {
      example.traits.remarks.insert(.unwrittenPart)
    }
    return example
  }

  private func encoded(_ record: ExampleRecord, index: Int) throws(RecordProblem) -> EncodedExample {
    let sequences: Sequences
    switch record.form {
    case .texts(let prompt, let completions): sequences = beginning(try texts(prompt, completions))
    case .formatted(let prompt, let completions): sequences = beginning(try formatted(prompt, completions))
    case .messages(let prompt, let completions): sequences = try messages(prompt, completions, record.context)
    case .chat(.template(let messages), _, let completions):
      sequences = beginning(try chat(messages, completions, record.context))
    case .chat(.wholeTemplate(let messages), _, let completions): sequences = try wholeChat(messages, completions)
    case .chat(let prompt, let prefill, let completions):
      sequences = beginning(try chat(prompt, prefill: prefill, completions))
    case .conversation(let messages, let turns):
      return try conversation(messages, turns, record.context, index: index)
    case .segments(let segments): return try segmented(segments, index: index)
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
    /// The texts of the record's fields.
    var fields: [String]
    /// Whether the template leaves a message out.
    var hidesMessage = false
  }

  /// The prompt ends at the first token where its ids differ from those of prompt + completion, at the earliest such
  /// place of all completions. All completions start there.
  private func example(
    _ sequences: Sequences, of record: ExampleRecord, index: Int
  ) throws(RecordProblem) -> EncodedExample {
    let length = sequences.whole.map { sequences.prompt.commonPrefixCount($0) }.min() ?? 0
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
      traits: traits(sequences.fields) {
        $0.isEqualPair = record.isEqualPair
        if length < sequences.prompt.count { $0.remarks.insert(.movedSeam) }
        if sequences.hidesMessage { $0.remarks.insert(.hiddenMessage) }
      })
  }

  func traits(
    _ fields: [String], _ others: (inout EncodedExample.Traits) -> Void = { _ in }
  ) -> EncodedExample.Traits {
    var traits = EncodedExample.Traits()
    traits.holdsSpecialText = fields.contains(where: tokenizer.holdsSpecialText)
    if traits.holdsSpecialText { traits.remarks.insert(parsesSpecialTokens ? .parsedText : .specialText) }
    traits.holdsRenderedChat =
      traits.holdsSpecialText && tokenizer.id(ofToken: ChatTemplate.start) != nil
      && fields.contains(where: ChatTemplate.isRendered)
    others(&traits)
    return traits
  }

  /// The ids of a text of the record.
  private func ids(_ text: String) -> [Int32] { tokenizer.encode(text, allowSpecial: parsesSpecialTokens) }

  func tokens(_ pieces: [ChatPiece], startingAs start: ChatTokens? = nil) -> ChatTokens {
    ChatTokens(pieces, tokenizer, allowSpecial: parsesSpecialTokens, startingAs: start)
  }

  /// Appends the end-of-sequence token to every completion; if the text already ends with it, it occurs once.
  private func texts(_ prompt: String, _ completions: [String]) throws(RecordProblem) -> Sequences {
    let (ending, id) = try endOfText()
    let bare = completions.map { Self.text($0, without: ending) }
    let prompted = ids(prompt)
    // What may be cut of a rendered chat is what its messages say.
    let turns = parsesSpecialTokens ? tokens(tokenizer.pieces(prompt).markingTurns()).contents : []
    return Sequences(
      prompt: prompted, whole: bare.map { ids(prompt + $0) + [id] },
      texts: turns.isEmpty ? [0..<prompted.count] : turns,
      fields: [prompt] + bare)
  }

  private func messages(
    _ prompt: [ChatMessage], _ completions: [[ChatMessage]], _ context: ChatTemplate.Context
  ) throws(RecordProblem) -> Sequences {
    let start = try rendered(prompt, context, generationPrompt: true)
    var whole: [[Int32]] = []
    var hidesMessage = false
    for completion in completions {
      let tokens = try rendered(prompt + completion, context, startingAs: start)
      hidesMessage = hidesMessage || tokens.hides(prompt + completion)
      whole.append(tokens.ids)
    }
    return Sequences(
      prompt: start.ids, whole: whole, texts: start.contents,
      fields: (prompt + completions.joined()).flatMap(\.texts), hidesMessage: hidesMessage)
  }

  /// axolotl's chat_template for pairs. The completion is what the template writes from the answer's content on, without
  /// white space at its end. If it does not end in the end-of-sequence token, that token follows.
  private func chat(
    _ messages: [ChatMessage], _ completions: [String], _ context: ChatTemplate.Context
  ) throws(RecordProblem) -> Sequences {
    let (ending, _) = try endOfText()
    let template = try requiredTemplate()
    let prompt = try pieces(messages, context, generationPrompt: true)
    let start = tokens(prompt)
    let question = ChatMessage(role: "user", content: "x")
    var whole: [[Int32]] = []
    for completion in completions {
      let chat = try pieces([question, ChatMessage(role: "assistant", content: completion)], generationPrompt: false)
      guard let content = chat.firstIndex(where: { $0.message == 1 }) else {
        throw RecordProblem("the chat template does not write the answer, \(template.summary)")
      }
      var answer = Array(chat[content...]).trimmingEnd()
      if answer.last != .special(ending) { answer.append(.special(ending)) }
      whole.append(tokens(prompt + answer, startingAs: start).ids)
    }
    return Sequences(
      prompt: start.ids, whole: whole, texts: start.contents, fields: completions + messages.flatMap(\.texts),
      hidesMessage: start.hides(messages))
  }

  /// axolotl's chat_template.argilla: the answer with all that the template writes after it, and the end-of-sequence token
  /// after that.
  private func wholeChat(_ messages: [ChatMessage], _ completions: [String]) throws(RecordProblem) -> Sequences {
    let (ending, _) = try endOfText()
    let start = tokens(try pieces(messages, generationPrompt: true))
    var whole: [[Int32]] = []
    for completion in completions {
      var chat = try pieces(messages + [ChatMessage(role: "assistant", content: completion)], generationPrompt: false)
      if chat.last != .special(ending) { chat.append(.special(ending)) }
      whole.append(tokens(chat, startingAs: start).ids)
    }
    return Sequences(
      prompt: start.ids, whole: whole, texts: start.contents, fields: completions + messages.flatMap(\.texts),
      hidesMessage: start.hides(messages))
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
    switch prompt {
    case .chatML(let messages), .template(let messages), .wholeTemplate(let messages):
      pieces = try self.pieces(messages, of: .chatML, generationPrompt: true)
      fields += messages.flatMap(\.texts)
    case .rendered(let text): pieces = tokenizer.pieces(text).markingTurns()
    }
    pieces.append(.text(prefill))
    let start = tokens(pieces)
    let end: [ChatPiece] =
      [.special(ChatTemplate.end)] + (ending == ChatTemplate.end ? [] : [.special(ending)])
    let whole = completions.map { tokens(pieces + [.text($0)] + end, startingAs: start).ids }
    return Sequences(prompt: start.ids, whole: whole, texts: start.contents, fields: fields)
  }

  // MARK: Parts

  func endOfText() throws(RecordProblem) -> (text: String, id: Int32) {
    guard let id = tokenizer.endOfSequence, let ending = tokenizer.endOfSequenceToken else {
      throw RecordProblem("a completion must end, but the model's tokenizer_config.json has no \"eos_token\"")
    }
    return (ending, id)
  }

  func requiredTemplate() throws(RecordProblem) -> ChatTemplate {
    guard let template else {
      throw RecordProblem(
        "messages need a chat template, and the model has none: set \(templateKey), such as chatml, or use texts")
    }
    return template
  }

  /// A chat, rendered by a template or the run's own.
  func pieces(
    _ messages: [ChatMessage], _ context: ChatTemplate.Context = ChatTemplate.Context(),
    of template: ChatTemplate? = nil,
    generationPrompt: Bool
  ) throws(RecordProblem) -> [ChatPiece] {
    let chosen: ChatTemplate
    if let template { chosen = template } else { chosen = try requiredTemplate() }
    do throws(ChatError) {
      return try chosen.pieces(messages, context, generationPrompt: generationPrompt, with: tokenizer)
    } catch {
      throw RecordProblem(error.reason)
    }
  }

  func rendered(
    _ messages: [ChatMessage], _ context: ChatTemplate.Context, generationPrompt: Bool = false,
    startingAs start: ChatTokens? = nil
  ) throws(RecordProblem) -> ChatTokens {
    tokens(try pieces(messages, context, generationPrompt: generationPrompt), startingAs: start)
  }

  static func text(_ text: String, without ending: String) -> String {
    // Compared by bytes: hasSuffix compares grapheme clusters, and a cluster may begin before the ending.
    let (bytes, ending) = (text.utf8, ending.utf8)
    guard bytes.count >= ending.count, bytes.suffix(ending.count).elementsEqual(ending) else { return text }
    return String(decoding: bytes.dropLast(ending.count), as: UTF8.self)
  }
}
