// Texts that formats write, texts in stretches, and running text.

extension ExampleEncoder {
  /// Only what a format itself writes becomes a special token.
  private func pieces(of parts: [TextPart]) -> [ChatPiece] {
    parts.flatMap { part in
      part.isField ? [ChatPiece(text: part.text, message: 0)] : tokenizer.pieces(part.text).filter { !$0.text.isEmpty }
    }
  }

  /// TRL's tokens of a prompt and completions that formats write; the end-of-sequence token occurs once.
  func formatted(_ prompt: [TextPart], _ completions: [[TextPart]]) throws(RecordProblem) -> Sequences {
    let (ending, _) = try endOfText()
    let prompt = pieces(of: prompt)
    let start = tokens(prompt)
    var fields = prompt.filter { $0.message != nil }.map(\.text)
    var whole: [[Int32]] = []
    for completion in completions {
      let bare = Self.parts(completion, without: ending)
      fields += bare.filter(\.isField).map(\.text)
      var answer = pieces(of: bare)
      if answer.last != .special(ending) { answer.append(.special(ending)) }
      whole.append(tokens(prompt + answer).ids)
    }
    return Sequences(prompt: start.ids, whole: whole, texts: start.contents, fields: fields)
  }

  /// Texts begin with what the tokenizer puts before them, as in TRL; those that a template or the text itself begins so have
  /// it once, as in axolotl. What it puts after a text has no place here: a completion has its own end.
  func beginning(_ sequences: Sequences) -> Sequences {
    let before = tokenizer.frame.before.count
    guard before > 0, !sequences.prompt.starts(with: tokenizer.frame.before) else { return sequences }
    var begun = sequences
    begun.prompt = tokenizer.beginning(sequences.prompt)
    begun.whole = sequences.whole.map(tokenizer.beginning)
    begun.texts = sequences.texts.map { $0.lowerBound + before..<$0.upperBound + before }
    return begun
  }

  /// axolotl tokenises each stretch by itself, so tokens never merge across its ends.
  func segmented(_ segments: [TextSegment], index: Int) throws(RecordProblem) -> EncodedExample {
    var (ids, scored, texts, fields) = ([Int32](), [Range<Int>](), [Range<Int>](), [String]())
    for segment in segments {
      let isEmpty = segment.parts.allSatisfy { $0.text.isEmpty }
      if segment.hasBeginning, !isEmpty { ids += tokenizer.frame.before }
      let start = ids.count
      let (ending, id) = segment.endings > 0 ? try endOfText() : ("", 0)
      let parts = segment.endings > 0 ? Self.parts(segment.parts, without: ending) : segment.parts
      let own = tokens(pieces(of: parts))
      ids += own.ids + [Int32](repeating: id, count: segment.endings)
      if scored.isEmpty { texts += own.contents.map { start + $0.lowerBound..<start + $0.upperBound } }
      fields += parts.filter(\.isField).map(\.text)
      let trainsAll = trainsOnInputs && segment.mayTrainAll
      guard let from = trainsAll ? 0 : segment.trainedFrom else { continue }
      let untrained = from == 0 ? 0 : tokens(pieces(of: Array(parts[..<from]))).ids.count
      if start + untrained < ids.count { scored.append(start + untrained..<ids.count) }
    }
    guard let tree = ExampleTree(index: index, sequence: ids, scored: scored) else {
      throw RecordProblem("nothing is left to learn from: the text has one token, or its trained part none")
    }
    let isTemplateFree = segments.allSatisfy { $0.endings == 0 }
    return EncodedExample(
      tree: tree, texts: texts.map { $0.clamped(to: 0..<tree.prompt.count) }.filter { !$0.isEmpty },
      isRunningText: false,
      traits: traits(fields) {
        // Nothing but its texts says where such an example ends.
        if isTemplateFree, $0.holdsSpecialText { $0.holdsRenderedChat = true }
      })
  }

  func runningText(_ text: String, index: Int) throws(RecordProblem) -> EncodedExample {
    let (ending, id) = try endOfText()
    let bare = Self.text(text, without: ending)
    let ids = tokenizer.encodeBeginning(bare, allowSpecial: parsesSpecialTokens) + [id]
    guard let tree = ExampleTree(index: index, sequence: ids, scored: [0..<ids.count]) else {
      throw RecordProblem("the text is nothing but its end")
    }
    return EncodedExample(
      tree: tree, texts: [], isRunningText: true, traits: traits([bare]))
  }

  private static func parts(_ parts: [TextPart], without ending: String) -> [TextPart] {
    var parts = parts
    if let last = parts.indices.last { parts[last].text = text(parts[last].text, without: ending) }
    return parts
  }
}
