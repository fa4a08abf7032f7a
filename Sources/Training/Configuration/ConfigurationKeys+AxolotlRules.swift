// Rules for keys that axolotl's files have in more than one form, or that mean something with others alone.

import Corpus
import Model

extension RunConfiguration {
  /// `trl.beta` goes first in axolotl; here both names say one thing.
  mutating func settleBeta(_ section: inout ConfigurationSection) {
    guard let beta = section.value("trl", as: .trl)?["beta"] else { return }
    let spelling = ["rl_beta", "dpo_beta", "orpo_alpha"].first { section[$0] != nil }
    if let spelling, let other = section.value(spelling, as: .positive), other != beta {
      section.report("`trl.beta: \(beta)` is another name of `\(spelling)`, which is \(other): give one", about: "trl")
    } else if objective == .supervised {
      section.ignore("trl.beta")
    } else {
      objectiveKeys.beta = beta
    }
  }

  /// Until 2023 axolotl called `special_tokens` so; now it is a list of tokens.
  mutating func settleTokens(_ section: inout ConfigurationSection) {
    guard case .mapping? = section["tokens"]?.content, section["special_tokens"] == nil else { return }
    specialTokens = section.read("tokens", as: .mapping(ConfigurationKeys.specialTokens)) ?? specialTokens
  }

  /// Keys that have no influence with most values or beside most others.
  func checkWithoutInfluence(_ section: inout ConfigurationSection) {
    if section["pretraining_dataset"] != nil {
      section.notices.append(
        "`pretraining_dataset` is read as `type: completion`: a text longer than `sequence_len` is divided and ends with "
          + "the end-of-text token (axolotl's stream cuts its end off)")
    }
    if section.value("shuffle_before_merging_datasets", as: .bool) != true {
      // Nothing is asked for.
    } else if shufflesMergedDatasets {
      section.ignore("shuffle_before_merging_datasets")
    } else {
      section.report(
        "`shuffle_before_merging_datasets` without `shuffle_merged_datasets`: data sets are not shuffled one by one; "
          + "left out, each keeps the order of its file", about: "shuffle_before_merging_datasets")
    }
    if weightStorage == .nf4, case .mapping(let members)? = section["bnb_config_kwargs"]?.content,
      let type = members.first(where: { $0.name == "bnb_4bit_quant_type" })?.tree, !type.isOff, type.source != "nf4"
    {
      section.report(
        "`bnb_config_kwargs.bnb_4bit_quant_type`: expected nf4, found \(type.found): NF4 is the one form in 4 bits; left "
          + "out, the base is held in it", at: type.place)
    }
  }
}

extension ConfigurationTree {
  /// Where the value of a member is, or the mapping.
  fileprivate func place(of key: String) -> ConfigurationProblem.Place {
    guard case .mapping(let members) = content else { return place }
    return members.first { $0.name == key }?.tree.place ?? place
  }
}
