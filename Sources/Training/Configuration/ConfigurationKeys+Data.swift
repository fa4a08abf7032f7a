// The keys of the data: what is read, how it is rendered and how it is cut.

import Checkpoints
import Corpus

extension ConfigurationKeys {
  static let data = [
    Key(
      "chat_template", \.chatTemplate, .chatTemplate,
      "How conversations become text: as the model's own directory has it, a family's template, a .jinja file, or "
        + "`jinja` with `chat_template_jinja`."),
    Key("chat_template_jinja", ValueKind<String>.text, "The template's text, or its file.") { configuration in
      if case .text(let jinja) = configuration.chatTemplate { .text(jinja) } else { .null }
    },
    Key(
      "chat_template_kwargs", \.chatTemplateVariables, .variables,
      "What else the template knows by name, such as `enable_thinking`."),
    Key(
      "default_system_message", \.defaultSystemMessage, .text, "The system message of conversations that have none."),
    Key(
      "special_tokens", \.specialTokens, .mapping(specialTokens),
      "The tokens are the tokenizer's own; `eos_token` chooses another of them as the end of texts and answers."),
    Key("tokens", .ownTokens, "Tokens that the tokenizer has; a new one would have no embedding that was trained."),
    Key("added_tokens_overrides", .ownTokensByID, "Tokens by their ids, as the tokenizer has them."),
    Key(
      "datasets", \.datasets, .datasets,
      "What is trained on; the keys of each are below. `pretraining_dataset` is texts, as with `type: completion`."
    ).also("pretraining_dataset").required().elsewhere("dataset_name", "dataset"),
    Key("test_datasets", \.testDatasets, .datasets, "What evaluations are made on."),
    Key(
      "dataset_prepared_path", \.preparedPath, .path,
      "Where the examples of large data (8 MiB or more) are kept as tokens, when not in the shared cache."
    ).changeableOnResume(),
    Key(
      "val_set_size", \.heldOut, .validationSize,
      "How much of `datasets` is held out for evaluations, whole prompts at a time; 0 is nothing."
    )
    .elsewhere("val_size"),
    Key("sequence_len", \.sequenceLength, .integer(from: 2), "The most tokens of a prompt and its longest completion.")
      .elsewhere("max_length", "max_seq_len", "max_seq_length", "cutoff_len"),
    Key(
      "excess_length_strategy", \.excessLengthStrategy, .choice(or: [("raise", .error)]),
      "What becomes of a longer example: its prompt is cut in the middle, it is left out, its end is cut off, or the run is "
        + "refused."
    ).elsewhere("truncation_mode"),
    Key(
      "skip_bad_records", \.skipBadRecords, .integer(from: 0),
      "How many records with mistakes may be left out; `skipped_records.jsonl` lists them. More end the run at its start."
    ),
    Key("drop_equal_pairs", \.dropsEqualPairs, .bool, "Leaves out pairs whose chosen and rejected answers are equal.")
      .effective { $0.objective.exampleKind != .completion },
    Key(
      "min_sample_len", \.minimumSampleLength, .integer(from: 0),
      "Supervised fine-tuning leaves out examples of fewer tokens."
    ).effective { $0.objective == .supervised },
    Key(
      "dataset_exact_deduplication", \.dropsDuplicates, .bool,
      "Leaves out examples that are there already, and those of `test_datasets` that are trained on."),
    Key(
      "eot_tokens", \.endOfTurnTokens, .ownTokens,
      "The tokens that end turns in data sets of type chat_template."
    ).standing(at: "the end of sequence, and what the template writes after a turn"),
    Key("train_on_inputs", \.trainsOnInputs, .bool, "Supervised fine-tuning learns its prompts too.")
      .effective { $0.objective == .supervised },
    Key("shuffle_merged_datasets", \.shufflesMergedDatasets, .bool, "Shuffles the examples, anew for every epoch."),
    Key(
      "shuffle_before_merging_datasets", .bool,
      "Without influence: `shuffle_merged_datasets` shuffles all that this does."
    ).standing(at: "false"),
    Key(
      "curriculum_sampling", \.usesCurriculumSampling, .bool,
      "Every epoch takes the examples in the same order, that of the merged data."),
  ]
}

extension ValueKind where Value == ValidationSize? {
  static var validationSize: Self {
    Self("a share from 0 to less than 1, or a whole number of examples") { tree in
      guard let size = tree.finiteNumber else { return nil }
      if 0..<1 ~= size { return .some(size > 0 ? .share(size) : nil) }
      return Int(exactly: size).flatMap { $0 > 0 ? .some(.count($0)) : nil }
    } write: { size in
      switch size {
      case nil: .integer(0)
      case .share(let share): .number(share)
      case .count(let count): .integer(count)
      }
    }
  }
}

extension ValueKind where Value == ChatTemplate.Choice {
  /// `jinja` is a template without text, which `chat_template_jinja` gives.
  static var chatTemplate: Self {
    let names = ["tokenizer_default"] + ChatTemplate.Name.allCases.map(\.rawValue)
    return Self(
      names.joined(separator: " or ") + ", `tokenizer_default_fallback_` and a name, `jinja`, or a .jinja file"
    ) { section, key, tree in
      guard let name = ValueKind<String>.text.read(&section, key, tree) else { return nil }
      if name == "jinja" { return .text("") }
      do { return try ChatTemplate.Choice(name) } catch {
        section.report("`\(section.prefix)\(key)`: \(error)", at: tree.place)
        return nil
      }
    } write: { choice in
      .text(choice.word)
    }
  }
}

extension ChatTemplate.Choice {
  /// The value of `chat_template`.
  var word: String { if case .text = self { "jinja" } else { name } }
}

extension ValueKind where Value == [JSONValue.Member] {
  /// Values by name, of any kind.
  static var variables: Self {
    Self("a mapping") { section, key, tree in
      guard let members = JSONValue(tree).members else {
        section.refuse(key, expected: "a mapping")
        return nil
      }
      for member in members where !ChatTemplate.isVariable(member.name) {
        section.report(
          "`\(key)`: expected names of variables that a chat or the tokenizer does not bring, found \"\(member.name)\"",
          at: tree.place)
      }
      return members
    } write: { members in
      members.isEmpty ? .null : ConfigurationTree(JSONValue.object(members))
    }
  }
}

// MARK: One data set

extension ValueKind where Value == [Dataset.Source] {
  static var datasets: Self {
    let text = "a list of data sets, each with a path"
    let (datasets, texts) = (list(text, of: ConfigurationKeys.dataset), list(text, of: ConfigurationKeys.textDataset))
    return Self(text) { section, key, tree in
      (key == "pretraining_dataset" ? texts : datasets).read(&section, key, tree)
    } write: {
      datasets.write($0)
    }
  }
}

extension ConfigurationKeys {
  static let dataset = ConfigurationTable(
    initial: Dataset.Source(paths: []), keys: datasetKeys + recordKeys,
    inert: [
      InertKeys("Hub", "no code of a data set is run", "trust_remote_code"),
      InertKeys(
        "Arguments of what is not built", "another key asks for it",
        "preprocess_shards logprobs_field temperature step_separator max_completion_length train_on_last_step_only"),
    ] + inertRecordKeys, refused: datasetParts,
    rules: { source, section in
      source.findFiles(&section)
      source.findShard(&section)
      source.settleRecords(&section)
    })

  private static let files = ValueKind.texts("a file, a directory or a list of them")

  private static let datasetKeys =
    [
      DatasetKey(
        "path", .path,
        "A file of records, a pattern, a directory of such files, or `OWNER/NAME` of a data set of the hub that "
          + "`shoal fetch` or `--fetch` downloaded; `json`, `csv`, `parquet` or `text` leave it to `data_files`."
      ) { $0.paths.count == 1 ? .text($0.paths.first) : .null }.standing(at: "required, or `data_files`"),
      DatasetKey("data_files", files, "Files and directories, alone or inside the directory `path`.") {
        $0.paths.count == 1 ? .null : files.write($0.paths)
      },
      DatasetKey("ds_type", \.format, .choice(), "The format of the files; without it what their names say."),
      DatasetKey(
        "sample_by", \.samples, .choice(),
        "What text files are cut into: the texts between blank lines, whole files, or lines."),
      DatasetKey(
        "special_tokens_in_text", \.specialTokens, .choice(),
        "Special tokens that texts spell: `parse` makes tokens of them, as TRL and axolotl do, `text` leaves them text. "
          + "Rendered ChatML needs one of them; other texts stay text without it."),
      DatasetKey(
        "chat_template", \.template, .chatTemplate,
        "As `chat_template` of the run: one template serves all data sets."),
      DatasetKey(
        "split", \.split, .split,
        "The split of a directory that is read, by the files' names, and which records of it: `train[:10%]`, "
          + "`train[5:100]`, `train+test`."),
      DatasetKey("revision", \.revision, .text, "The branch, tag or commit of a data set of the hub."),
      DatasetKey("name", \.subset, .text, "The subset that is read: a directory inside that of the data set."),
      DatasetKey(
        "shards", .integer(from: 1), "Only one of this many parts of the records is read; the seed selects them."
      ) { $0.shard.map { .integer($0.count) } ?? .null },
      DatasetKey("shards_idx", .integer(from: 0), "Which part that is.") {
        $0.shard.map { .integer($0.index) } ?? .null
      },
    ]
}

extension ValueKind where Value == SplitSelection {
  static var split: Self {
    Self("a split or a part of one, such as train, train[:10%] or train[5:100]") { tree in
      if case .text(let text) = tree.content { SplitSelection(text) } else { nil }
    } write: {
      $0 == .train ? .null : .text($0.text)
    }
  }
}

extension Dataset.Source {
  fileprivate mutating func findShard(_ section: inout ConfigurationSection) {
    let index = section.value("shards_idx", as: .integer(from: 0))
    guard let count = section.value("shards", as: .integer(from: 1)) else {
      if index != nil { section.report("`shards_idx` needs `shards`", about: "shards_idx") }
      return
    }
    guard index ?? 0 < count else {
      section.report("`shards_idx` is \(index ?? 0), expected one of the \(count) shards from 0", about: "shards_idx")
      return
    }
    shard = Shard(count: count, index: index ?? 0)
  }

  /// As in the hub's library, `data_files` are names in the directory `path`, or alone.
  fileprivate mutating func findFiles(_ section: inout ConfigurationSection) {
    let files = section.value("data_files", as: .texts(""))
    let path = section.value("path", as: .path)
    switch (path, files) {
    case (nil, let files?): paths = files
    // The hub library's name of its reader for local files, not a path.
    case (let path?, let files?) where DataFormat(rawValue: path) != nil:
      paths = files
      format = format ?? DataFormat(rawValue: path)
    case (let path?, nil): paths = [path]
    case (let path?, let files?):
      if DataFiles.isData(path) {
        section.report(
          "`\(section.prefix)path` is a file: `data_files` goes with a directory, or alone", about: "data_files")
      }
      paths = files.map { $0.hasPrefix("/") ? $0 : "\(path)/\($0)" }
    case (nil, nil):
      if section["path"] == nil, section["data_files"] == nil {
        section.refuse("path", expected: "a file, a directory or a list of them")
      }
    }
  }
}
