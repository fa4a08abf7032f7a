// Where a file says nothing and axolotl would do something else: told once, with the keys that say it.

extension RunConfiguration {
  /// Notes the keys that are not given and whose defaults here and in axolotl lead to different adapters.
  func noteDefaults(_ section: inout ConfigurationSection) {
    var differences: [String] = []
    func note(_ keys: [String], _ text: String, if condition: Bool = true) {
      if condition, keys.allSatisfy({ section[$0] == nil }) { differences.append(text) }
    }
    note(
      ["warmup_steps", "warmup_ratio"], "no warm-up (3 % of the steps, at most 100: `warmup_ratio: 0.03`)",
      if: schedule != .constant)
    note(["sequence_len"], "`sequence_len` \(sequenceLength) (512)")
    if case .simpo = objective {
      note(["cpo_alpha"], "no likelihood in the loss of `rl: simpo` (`cpo_alpha: 1.0`)")
    }
    if !differences.isEmpty {
      section.notices.append(
        "left to defaults that are not axolotl's (in brackets): \(differences.joined(separator: "; "))")
    }
    if section["output_dir"] == nil {
      section.notices.append("`output_dir` is not given: the run's files go to \(outputDirectory)")
    }
  }
}
