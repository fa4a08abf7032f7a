// The part of a configuration that says what is minimised.

extension RunConfiguration {
  mutating func readObjective(_ section: inout ConfigurationSection) {
    let rl = section.choice("rl", built: ["dpo", "ipo", "orpo", "simpo", "cpo", "kto"])
    let beta = readBeta(&section, isORPO: rl == "orpo")
    let smoothing =
      section.number("dpo_label_smoothing", "a number from 0 to less than 0.5") { (0..<0.5).contains($0) } ?? 0
    let family = readFamily(&section, isIPO: rl == "ipo", beta: beta, smoothing: smoothing)
    func weight(_ key: String) -> Double? { section.number(key, "a number of at least 0") { $0 >= 0 } }
    let likelihood = weight("cpo_alpha")
    let gamma = section.number("simpo_gamma", "a number of at least 0") { $0 >= 0 } ?? 0.5
    let (desirable, undesirable) = (weight("kto_desirable_weight") ?? 1, weight("kto_undesirable_weight") ?? 1)
    switch rl {
    case "dpo", "ipo": objective = .dpo(family)
    case "cpo": objective = .cpo(beta: beta, labelSmoothing: smoothing, likelihoodWeight: likelihood ?? 1)
    case "simpo":
      objective = .simpo(beta: beta, gamma: gamma, labelSmoothing: smoothing, likelihoodWeight: likelihood ?? 0)
    case "orpo": objective = .orpo(beta: beta)
    case "kto":
      objective = .kto(KTO(beta: beta, desirableWeight: desirable, undesirableWeight: undesirable))
    default: objective = .supervised
    }
    let trainsPrompts = section.bool("train_on_inputs") ?? false
    trainsOnInputs = objective == .supervised && trainsPrompts
    let (precomputes, cache, refersToStart) = (
      section.bool("precompute_ref_log_probs"), section.path("ref_log_probs_cache"),
      section.bool("rl_adapter_ref_model") ?? false
    )
    if objective.usesReference {
      precomputesReferenceLogProbs = precomputes ?? precomputesReferenceLogProbs
      referenceLogProbsCache = cache
      // A fresh adapter changes nothing yet, so the base is the same reference.
      refersToStartingAdapter = refersToStart && startingAdapter != nil
    }
    noteUnusedKeys(section)
  }

  private func readBeta(_ section: inout ConfigurationSection, isORPO: Bool) -> Double {
    // The last is axolotl's own for ORPO.
    let names = ["rl_beta", "dpo_beta"] + (isORPO ? ["orpo_alpha"] : [])
    let betas = names.compactMap { name -> (name: String, value: Double)? in
      section.number(name, "a number greater than 0") { $0 > 0 }.map { (name, $0) }
    }
    guard let (first, beta) = betas.first else { return 0.1 }
    for (name, other) in betas where other != beta {
      guard let tree = section[name] else { continue }
      section.report(
        "`\(name): \(tree.source)` is another name of `\(first)`, which is \(beta): give one", at: tree.place)
    }
    return beta
  }

  private func readFamily(
    _ section: inout ConfigurationSection, isIPO: Bool, beta: Double, smoothing: Double
  ) -> DPOFamily {
    let known = DPOLoss.allCases.map(\.rawValue)
    let names = section.texts("dpo_loss_type", expected: known.joined(separator: ", ")) ?? [isIPO ? "ipo" : "sigmoid"]
    var losses: [DPOLoss] = []
    for name in names {
      // TRL's name of it until 2025.
      if let loss = DPOLoss(rawValue: name == "aot_pair" ? "aot_unpaired" : name) {
        losses.append(loss)
      } else if let tree = section["dpo_loss_type"] {
        let nearest = ConfigurationKeys.nearest(to: name, among: known).map { "; did you mean `\($0)`?" } ?? ""
        section.report(
          "`dpo_loss_type`: expected one or several of \(known.joined(separator: ", ")), found \"\(name)\"\(nearest)",
          at: tree.place)
      }
    }
    if let tree = section["dpo_loss_type"] {
      if isIPO, losses != [.ipo] {
        section.report("`rl: ipo` is `dpo_loss_type: ipo`, found \(tree.source): give one", at: tree.place)
      }
      for loss in losses where !loss.accepts(labelSmoothing: smoothing) {
        section.report(
          "`dpo_loss_type: \(loss.rawValue)` needs `dpo_label_smoothing` greater than 0 (0.001 is usual), found "
            + "\(smoothing)", at: tree.place)
      }
    }
    let weights = readWeights(&section, of: losses)
    let alpha = section.number("rpo_alpha", "a number of at least 0") { $0 >= 0 }
    return DPOFamily(
      zip(losses, weights).map { DPOFamily.Weighted($0, weight: $1) }, beta: beta,
      labelSmoothing: losses.contains(where: \.usesLabelSmoothing) ? smoothing : 0,
      rpoAlpha: alpha)
  }

  private func readWeights(_ section: inout ConfigurationSection, of losses: [DPOLoss]) -> [Double] {
    let even = losses.map { _ in 1.0 }
    guard let tree = section["dpo_loss_weights"] else { return even }
    let expected = "a list of numbers, one for each of `dpo_loss_type`"
    guard case .list(let items) = tree.content else {
      section.refuse("dpo_loss_weights", expected: expected)
      return even
    }
    let weights = items.compactMap(\.finiteNumber)
    guard weights.count == items.count else {
      section.refuse("dpo_loss_weights", expected: expected)
      return even
    }
    guard weights.count == losses.count else {
      section.report(
        "`dpo_loss_weights`: expected \(losses.count) numbers, one for each of `dpo_loss_type`, found \(weights.count)",
        at: tree.place)
      return even
    }
    return weights
  }

  /// Keys of other objectives than the one that `rl` names: legal, and probably not meant.
  private mutating func noteUnusedKeys(_ section: ConfigurationSection) {
    let used: [String]
    switch objective {
    case .supervised: used = ["train_on_inputs"]
    case .dpo(let family):
      used =
        ["rl_beta", "dpo_beta", "dpo_loss_type", "dpo_loss_weights", "rpo_alpha"]
        + (family.losses.contains(where: \.loss.usesLabelSmoothing) ? ["dpo_label_smoothing"] : [])
    case .cpo: used = ["rl_beta", "dpo_beta", "dpo_label_smoothing", "cpo_alpha"]
    case .simpo: used = ["rl_beta", "dpo_beta", "dpo_label_smoothing", "cpo_alpha", "simpo_gamma"]
    case .orpo: used = ["rl_beta", "dpo_beta", "orpo_alpha"]
    case .kto: used = ["rl_beta", "dpo_beta", "kto_desirable_weight", "kto_undesirable_weight"]
    }
    let ofReference = ["precompute_ref_log_probs", "ref_log_probs_cache", "rl_adapter_ref_model"]
    let all =
      [
        "rl_beta", "dpo_beta", "orpo_alpha", "dpo_loss_type", "dpo_loss_weights", "dpo_label_smoothing", "rpo_alpha",
        "simpo_gamma",
        "cpo_alpha", "kto_desirable_weight", "kto_undesirable_weight", "train_on_inputs",
      ] + (objective.usesReference ? [] : ofReference)
    for key in all where !used.contains(key) {
      if let tree = section[key], !tree.isOff { ignoredKeys.append(key) }
    }
  }
}
