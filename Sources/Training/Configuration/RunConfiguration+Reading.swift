// From a YAML file and overrides to a configuration, or to the list of everything that is wrong.

import Foundation
import Model

extension RunConfiguration {
  /// Reads a configuration file and applies `key=value` overrides in their order.
  ///
  /// Paths inside are relative to the current directory; a leading `~` is expanded.
  /// - Throws: `ConfigurationError` with every problem of the file and the overrides.
  package init(path: String, overrides: [String] = []) throws(ConfigurationError) {
    try self.init(yaml: try Self.text(of: path), name: path, overrides: overrides)
  }

  /// Reads a configuration from text.
  /// - Parameter name: What messages call the text.
  /// - Throws: `ConfigurationError` with every problem of the text and the overrides.
  package init(yaml: String, name: String, overrides: [String] = []) throws(ConfigurationError) {
    var (section, problems) = try Self.section(yaml: yaml, name: name, overrides: overrides)
    self.init()
    ignoredKeys = section.classifyKeys(
      used: ConfigurationKeys.used, notBuilt: ConfigurationKeys.notBuilt,
      foreign: ConfigurationKeys.foreign, isWithoutEffect: ConfigurationKeys.isWithoutEffect)
    readModel(&section)
    readObjective(&section)
    readData(&section)
    readBatches(&section)
    readOptimizer(&section)
    readSchedule(&section)
    readReports(&section)
    problems += section.problems
    guard problems.isEmpty else { throw ConfigurationError(path: name, problems: problems) }
  }

  private static let maximumBytes = 1 << 18

  static func text(of path: String) throws(ConfigurationError) -> String {
    let data: Data
    do {
      // A pipe is as good as a file, so the size is known when it has been read.
      data = try FileHandle(forReadingFrom: URL(fileURLWithPath: path)).read(upToCount: maximumBytes + 1) ?? Data()
    } catch {
      let reason = (error as NSError).localizedDescription
      throw ConfigurationError(
        path: path, problems: [ConfigurationProblem(place: .file, text: "cannot be read: \(reason)")])
    }
    guard data.count <= maximumBytes else {
      throw ConfigurationError(
        path: path,
        problems: [
          ConfigurationProblem(place: .file, text: "is larger than \(maximumBytes) bytes: no configuration is")
        ])
    }
    guard let yaml = String(data: data, encoding: .utf8) else {
      throw ConfigurationError(
        path: path, problems: [ConfigurationProblem(place: .file, text: "expected UTF-8 text")])
    }
    return yaml
  }

  /// The keys of a text after all overrides, and the overrides that could not be applied.
  static func section(
    yaml: String, name: String, overrides: [String]
  ) throws(ConfigurationError) -> (ConfigurationSection, [ConfigurationProblem]) {
    var tree: ConfigurationTree
    do {
      tree = try ConfigurationTree(yaml: yaml)
    } catch {
      throw ConfigurationError(path: name, problems: [error.problem])
    }
    var problems: [ConfigurationProblem] = []
    for override in overrides {
      do {
        try tree.apply(override: override)
      } catch {
        problems.append(error.problem)
      }
    }
    guard let section = ConfigurationSection(tree) else {
      problems.append(
        ConfigurationProblem(
          place: tree.place, text: "expected a mapping of keys, found \(tree.found)"))
      throw ConfigurationError(path: name, problems: problems)
    }
    return (section, problems)
  }

  // MARK: Model and objective

  private mutating func readModel(_ section: inout ConfigurationSection) {
    if let path = section.path("base_model") {
      baseModel = path
    } else if section["base_model"] == nil {
      section.refuse("base_model", expected: "a directory with config.json and safetensors files")
    }
    if section["adapter"] == nil {
      section.report(
        "missing key `adapter`: full fine-tuning is not built yet in this version; built: lora",
        at: section.place(of: "adapter"))
    } else {
      readWeightStorage(&section)
    }
    loraRank = section.integer("lora_r", atLeast: 1, atMost: 4096) ?? loraRank
    loraAlpha = section.integer("lora_alpha", atLeast: 1) ?? loraAlpha
    loraDropout =
      section.number("lora_dropout", "a number from 0 to less than 1") { (0..<1).contains($0) }
      ?? loraDropout
    readTargets(&section)
    usesRSLoRA = section.bool("peft_use_rslora") ?? usesRSLoRA
    startingAdapter = section.path("lora_model_dir")
    readInitialisation(&section)
    if section.bool("lora_fan_in_fan_out") == true {
      section.refuse("lora_fan_in_fan_out", expected: "false (Qwen2 has no transposed weights)")
    }
    chatTemplate =
      section.choice("chat_template", built: ChatTemplateName.allCases.map(\.rawValue))
      .flatMap(ChatTemplateName.init) ?? chatTemplate
    defaultSystemMessage = section.text("default_system_message")
    readSpecialTokens(&section)
  }

  /// As axolotl, which wants both keys for QLoRA; either is enough here.
  private mutating func readWeightStorage(_ section: inout ConfigurationSection) {
    let adapter = section.choice("adapter", built: ["lora", "qlora"])
    let isFourBit = section.bool("load_in_4bit")
    weightStorage = adapter == "qlora" || isFourBit == true ? .nf4 : .stored
    if adapter == "qlora", isFourBit == false, let tree = section["load_in_4bit"] {
      section.report("`adapter: qlora` is a base in 4 bits, found `load_in_4bit: false`: give one", at: tree.place)
    }
  }

  private mutating func readInitialisation(_ section: inout ConfigurationSection) {
    guard let tree = section["peft_init_lora_weights"] else { return }
    switch tree.content {
    case .bool(true): break
    case .text("pissa"), .text("olora"):
      section.refuseNotBuilt("peft_init_lora_weights", built: "true, gaussian, init_b")
    case .text(let name):
      guard let found = AdapterInitialisation(rawValue: name) else { fallthrough }
      initialisation = found
    default: section.refuse("peft_init_lora_weights", expected: "true, gaussian or init_b")
    }
    if startingAdapter != nil, initialisation != .uniform {
      ignoredKeys.append("peft_init_lora_weights")
      initialisation = .uniform
    }
  }

  static let projections = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
  ]

  private mutating func readTargets(_ section: inout ConfigurationSection) {
    let key = "lora_target_modules"
    var chosen: Set<String> = []
    if section.bool("lora_target_linear") == true { chosen = Set(Self.projections) }
    let expected = "all-linear or names among \(Self.projections.joined(separator: ", "))"
    for name in section.texts(key, expected: expected) ?? [] {
      if name == "all-linear" {
        chosen.formUnion(Self.projections)
      } else if Self.projections.contains(name) {
        chosen.insert(name)
      } else if let tree = section[key] {
        let nearest = ConfigurationKeys.nearest(to: name, among: Self.projections)
        let hint = nearest.map { "; did you mean `\($0)`?" } ?? ""
        section.report("`\(key)`: expected \(expected), found \"\(name)\"\(hint)", at: tree.place)
      }
    }
    if !chosen.isEmpty { loraTargetModules = Self.projections.filter(chosen.contains) }
  }

  /// Padding is never used, so a `pad_token` changes nothing; any other token would.
  private mutating func readSpecialTokens(_ section: inout ConfigurationSection) {
    guard let tree = section["special_tokens"] else { return }
    let ignored = section.section(tree, name: "special_tokens") { tokens in
      tokens.classifyKeys(
        used: [], notBuilt: ["bos_token", "eos_token", "unk_token", "additional_special_tokens"],
        foreign: [], isWithoutEffect: { $0 == "pad_token" })
    }
    ignoredKeys += ignored ?? []
  }
}
