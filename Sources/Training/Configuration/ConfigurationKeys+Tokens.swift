// The keys that name tokens: accepted where the tokenizer of `base_model` has them, since none is added.

import Checkpoints
import Corpus

extension ConfigurationKeys {
  /// Nothing is padded, and no text is unknown to a tokenizer of bytes.
  static let specialTokens = ConfigurationTable(
    initial: RunConfiguration.SpecialTokens(),
    keys: [
      ConfigurationKey("eos_token", \.endOfSequence, .text, "The token that ends texts and answers."),
      ConfigurationKey(
        "bos_token", .text, "A token of the tokenizer. What texts begin with is said by tokenizer.json alone."),
      ConfigurationKey("additional_special_tokens", .ownTokens, "Tokens that the tokenizer has."),
    ],
    inert: [InertKeys("Padding", "nothing is padded or unknown", "pad_token unk_token")])

  /// The entries of `pretraining_dataset`.
  static let textDataset = ConfigurationTable(
    initial: Dataset.Source(paths: [], type: .completion),
    keys: dataset.keys.filter {
      ["path", "data_files", "split", "ds_type", "name", "revision", "sample_by"].contains($0.name)
    } + [
      ConfigurationKey("text_column", \.fields[.text], .text, "What the data calls the field `text`.").also("field"),
      ConfigurationKey("type", .choice([("pretrain", true), ("completion", true)]), "Running text, both."),
    ],
    inert: [InertKeys("Hub", "no code of a data set is run", "trust_remote_code")],
    refused: [RefusedKeys("skip=0", because: "`split` says which records are read", remedy: "use `split: train[N:]`")],
    rules: dataset.rules)
}

extension ValueKind where Value == [String] {
  static var ownTokens: Self {
    let list = someTexts("a token of the tokenizer, or a list of them")
    return Self(list.text) { section, key, tree in
      // An older form, which a rule reads.
      if case .mapping = tree.content, key == "tokens" { return [] }
      return list.read(&section, key, tree)
    } write: {
      list.write($0)
    }
  }
}

extension ValueKind where Value == [String: String] {
  static var ownTokensByID: Self {
    Self("a mapping of ids to tokens") { tree in
      guard case .mapping(let members) = tree.content else { return nil }
      var tokens: [String: String] = [:]
      for member in members {
        guard Int(member.name) != nil, case .text(let text) = member.tree.content else { return nil }
        tokens[member.name] = text
      }
      return tokens
    } write: { tokens in
      ConfigurationTree(.mapping(tokens.map { .init(name: $0.key, tree: .text($0.value)) }))
    }
  }
}

// MARK: Compared with the tokenizer

extension RunConfiguration {
  /// Reports tokens that the tokenizer lacks. A model that is not there is told of when it is opened.
  func checkTokens(_ section: inout ConfigurationSection) {
    let keys = ["special_tokens", "tokens", "eot_tokens", "added_tokens_overrides"]
    guard keys.contains(where: { section[$0]?.isOff == false }),
      let directory = try? HubCache.directory(of: baseModel, revision: baseRevision, for: .model),
      let tokenizer = try? TokenizerTokens(directory: directory)
    else { return }
    for key in ["special_tokens", "tokens"] { checkSpecialTokens(key, tokenizer, &section) }
    for key in ["tokens", "eot_tokens"] {
      let twin = key == "eot_tokens" ? tokenizer.twin(of: "eos_token") : nil
      for token in section.value(key, as: .ownTokens) ?? [] {
        tokenizer.require(token, as: key, twin: twin, at: section[key]?.place, &section)
      }
    }
    for (id, token) in section.value("added_tokens_overrides", as: .ownTokensByID) ?? [:] {
      let own = Int(id).flatMap { tokenizer.added[$0] }
      guard own != token, let place = section["added_tokens_overrides"]?.place else { continue }
      let expected = own.map { "\"\($0)\", as the tokenizer has it" } ?? "an id of the tokenizer's added tokens"
      section.report(
        "`added_tokens_overrides.\(id)`: expected \(expected), found \"\(token)\": no token gets another name; left out, "
          + "it keeps its own", at: place)
    }
  }

  private func checkSpecialTokens(
    _ name: String, _ tokenizer: TokenizerTokens, _ section: inout ConfigurationSection
  ) {
    guard let tree = section[name], case .mapping(let members) = tree.content,
      let inner = ConfigurationSection(tree)
    else { return }
    for member in members where !member.tree.isEmpty {
      let key = "\(name).\(member.name)"
      switch (member.name, member.tree.content) {
      case ("eos_token", .text(let token)):
        tokenizer.require(token, as: key, twin: tokenizer.twin(of: "eos_token"), at: member.tree.place, &section)
      case ("bos_token", .text(let token)) where token != tokenizer.own["bos_token"]:
        tokenizer.require(token, as: key, twin: tokenizer.twin(of: "bos_token"), at: member.tree.place, &section)
        guard tokenizer.has(token) else { continue }
        if tokenizer.templateBeginsWithToken {
          section.report(
            "`\(key)`: expected the model's own, found \"\(token)\": its chat template begins with the model's own; leave "
              + "it out", at: member.tree.place)
        } else {
          section.ignore("\(key) (no text begins with it)")
        }
      case ("additional_special_tokens", _):
        for token in inner.value(member.name, as: .ownTokens) ?? [] {
          tokenizer.require(token, as: key, twin: nil, at: member.tree.place, &section)
        }
      default: break
      }
    }
  }
}

extension TokenizerTokens {
  fileprivate func twin(of name: String) -> String {
    own[name].map { "the model's own \(name) is \"\($0)\": leave it out, or give that" }
      ?? "the model has no \(name), and needs none: leave it out"
  }

  fileprivate func require(
    _ token: String, as key: String, twin: String?, at place: ConfigurationProblem.Place?,
    _ section: inout ConfigurationSection
  ) {
    guard !has(token), let place else { return }
    let near = Spelling.nearest(to: token, among: added.values.sorted()).map { "did you mean \"\($0)\"? " } ?? ""
    section.report(
      "`\(key)`: expected a token of \(path), found \"\(token)\": "
        + (twin ?? near + "a new token would have no embedding that was trained; take it out"), at: place)
  }
}
