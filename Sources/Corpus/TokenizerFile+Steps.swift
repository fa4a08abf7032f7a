// The parts of tokenizer.json that say how a text is normalized, cut, and framed.

import Checkpoints
import Patterns

extension TokenizerFile {
  private static let maximumSteps = 16

  // MARK: Normalizer

  /// Whether texts are normalized, to NFC: nothing else is read.
  func normalizesText() throws -> Bool {
    try steps(of: root["normalizer"] ?? .null, "normalizers", at: "normalizer").map { normalizer, place in
      try check(normalizer, at: place, must: ["type": ["NFC"]])
    }.isEmpty == false
  }

  /// The members of a sequence, of which some may be sequences too; or the value itself.
  private func steps(
    of value: JSONValue, _ name: String, at place: String
  ) throws -> [(value: JSONValue, place: String)] {
    var steps: [(JSONValue, String)] = []
    var pending = [(value, place)]
    while let (value, place) = pending.popLast() {
      guard value["type"] == "Sequence" else {
        if !value.isNull { steps.append((value, place)) }
        continue
      }
      try check(value, at: place, must: ["type": ["Sequence"]], free: [name])
      guard let members = value[name]?.array else { throw failure("\(place).\(name) is no array") }
      pending += members.enumerated().reversed().map { ($1, "\(place).\(name)[\($0)]") }
      guard steps.count + pending.count <= Self.maximumSteps else {
        throw failure("\(place) has more than \(Self.maximumSteps) steps")
      }
    }
    return steps
  }

  // MARK: Pre-tokenizer

  func pretokenSteps() throws -> [PretokenStep] {
    let values = try steps(of: try member("pre_tokenizer", of: root, at: ""), "pretokenizers", at: "pre_tokenizer")
    var steps: [PretokenStep] = []
    for (number, (value, place)) in values.enumerated() {
      let isLast = number == values.count - 1
      switch value["type"]?.string {
      case "ByteLevel" where isLast: steps += try byteLevel(value, at: place)
      case "Split" where !isLast: steps.append(try split(value, at: place))
      case "Digits" where !isLast:
        try check(value, at: place, must: ["type": ["Digits"], "individual_digits": [true, false]])
        steps.append(.digits(areSingle: value["individual_digits"]?.bool == true))
      default:
        throw failure(
          "\(place).type is \((value["type"] ?? .null).serialized().prefix(80)), expected Split and Digits in any order "
            + "and ByteLevel last: \(Self.supported)")
      }
    }
    guard !values.isEmpty else { throw failure("pre_tokenizer is empty, expected ByteLevel: \(Self.supported)") }
    return steps
  }

  private func byteLevel(_ value: JSONValue, at place: String) throws -> [PretokenStep] {
    try check(
      value, at: place, must: ["type": ["ByteLevel"], "add_prefix_space": [true, false]],
      may: ["use_regex": [true, false]], free: ["trim_offsets"])
    var steps: [PretokenStep] = []
    if value["add_prefix_space"]?.bool == true { steps.append(.leadingSpace) }
    if value["use_regex"]?.bool != false {
      steps.append(.pattern(try automaton(PretokenStep.gpt2, at: place), keeps: .all))
    }
    return steps
  }

  private func split(_ value: JSONValue, at place: String) throws -> PretokenStep {
    try check(
      value, at: place,
      must: ["type": ["Split"], "behavior": ["Isolated", "Removed"], "invert": [true, false]], free: ["pattern"])
    guard let pattern = value["pattern"]?["Regex"]?.string else {
      throw failure("\(place).pattern is no object with a text \"Regex\"")
    }
    let automaton = try automaton(pattern, at: place)
    if value["behavior"] == "Isolated" { return .pattern(automaton, keeps: .all) }
    return .pattern(automaton, keeps: value["invert"]?.bool == true ? .matches : .rest)
  }

  private func automaton(_ pattern: String, at place: String) throws -> PatternAutomaton {
    do throws(PatternRefusal) {
      return try PatternAutomaton(pattern, UnicodeProperties.patternDialect)
    } catch {
      throw failure("\(place).pattern is \"\(pattern.prefix(400))\", which \(error.reason)")
    }
  }

  // MARK: Post-processor and decoder

  /// What the post-processor adds to a text.
  func frame() throws -> TokenFrame {
    var frame = TokenFrame()
    for (value, place) in try steps(of: root["post_processor"] ?? .null, "processors", at: "post_processor") {
      let own: TokenFrame
      switch value["type"]?.string {
      case "TemplateProcessing": own = try template(value, at: place)
      case "RobertaProcessing": own = try pair(value, at: place)
      default:
        try checkByteLevel(value, at: place)
        continue
      }
      frame = TokenFrame(before: own.before + frame.before, after: frame.after + own.after)
    }
    return frame
  }

  private func template(_ value: JSONValue, at place: String) throws -> TokenFrame {
    try check(value, at: place, must: ["type": ["TemplateProcessing"]], free: ["single", "pair", "special_tokens"])
    var (frame, texts) = (TokenFrame(), 0)
    for (number, piece) in (value["single"]?.array ?? []).enumerated() {
      if piece["Sequence"]?["id"] == "A" {
        texts += 1
      } else if let name = piece["SpecialToken"]?["id"]?.string,
        let ids = value["special_tokens"]?[name]?["ids"]?.array
      {
        for id in ids {
          guard let id = id.int.flatMap(Int32.init(exactly:)) else { throw failure("\(place) has a bad id of \(name)") }
          if texts == 0 { frame.before.append(id) } else { frame.after.append(id) }
        }
      } else {
        throw failure("\(place).single[\(number)] is neither the text A nor one of special_tokens")
      }
    }
    guard texts == 1 else { throw failure("\(place).single has the text A \(texts) times") }
    return frame
  }

  /// RoBERTa's: `cls` before a text and `sep` after it, each a list of name and id.
  private func pair(_ value: JSONValue, at place: String) throws -> TokenFrame {
    try check(
      value, at: place, must: ["type": ["RobertaProcessing"]],
      free: ["cls", "sep", "trim_offsets", "add_prefix_space"])
    let ids = ["cls", "sep"].map { name -> Int32? in
      let token = value[name]?.array
      return token?.count == 2 ? token?[1].int.flatMap(Int32.init(exactly:)) : nil
    }
    guard let before = ids[0], let after = ids[1] else { throw failure("\(place) has a bad cls or sep") }
    return TokenFrame(before: [before], after: [after])
  }

  /// Its other members only change offsets, after the tokens are found.
  func checkByteLevel(_ value: JSONValue, at place: String) throws {
    try check(value, at: place, must: ["type": ["ByteLevel"]], free: ["add_prefix_space", "trim_offsets", "use_regex"])
  }
}
