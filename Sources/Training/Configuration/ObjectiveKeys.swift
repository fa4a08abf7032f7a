// Between an objective and its keys: the one place that knows which objective has which.

/// An objective as its keys say it, each on its own; nil where the objective has no such key.
struct ObjectiveKeys {
  enum Name: String, Sendable, CaseIterable {
    case dpo, ipo, orpo, simpo, cpo, kto
  }

  var name: Name?
  var beta: Double?
  var losses: [DPOLoss]?
  var lossWeights: [Double]?
  /// Is among the losses when it has been read.
  var rpoAlpha: Double?
  var labelSmoothing: Double?
  var gamma: Double?
  var likelihoodWeight: Double?
  var desirableWeight: Double?
  var undesirableWeight: Double?

  var orpoAlpha: Double? {
    get { name == .orpo ? beta : nil }
    set { if name == .orpo { beta = newValue } }
  }

  init(name: Name) { self.name = name }

  init(_ objective: Objective) {
    switch objective {
    case .supervised: break
    case .dpo(let family):
      (name, beta) = (.dpo, family.beta)
      (losses, lossWeights) = (family.losses.map(\.loss), family.losses.map(\.weight))
      labelSmoothing = family.losses.contains(where: \.loss.usesLabelSmoothing) ? family.labelSmoothing : nil
    case .cpo(let beta, let smoothing, let weight):
      (name, self.beta, labelSmoothing, likelihoodWeight) = (.cpo, beta, smoothing, weight)
    case .simpo(let beta, let gamma, let smoothing, let weight):
      (name, self.beta, self.gamma, labelSmoothing, likelihoodWeight) = (.simpo, beta, gamma, smoothing, weight)
    case .orpo(let beta): (name, self.beta) = (.orpo, beta)
    case .kto(let kto):
      (name, beta) = (.kto, kto.beta)
      (desirableWeight, undesirableWeight) = (kto.desirableWeight, kto.undesirableWeight)
    }
  }

  /// The objective, with the defaults of what is nil.
  var objective: Objective {
    let (beta, smoothing) = (beta ?? 0.1, labelSmoothing ?? 0)
    return switch name {
    case nil: .supervised
    case .dpo, .ipo: .dpo(family(beta: beta, labelSmoothing: smoothing))
    case .cpo: .cpo(beta: beta, labelSmoothing: smoothing, likelihoodWeight: likelihoodWeight ?? 1)
    case .simpo:
      .simpo(beta: beta, gamma: gamma ?? 0.5, labelSmoothing: smoothing, likelihoodWeight: likelihoodWeight ?? 0)
    case .orpo: .orpo(beta: beta)
    case .kto:
      .kto(KTO(beta: beta, desirableWeight: desirableWeight ?? 1, undesirableWeight: undesirableWeight ?? 1))
    }
  }

  private func family(beta: Double, labelSmoothing: Double) -> DPOFamily {
    let losses = losses ?? [name == .ipo ? .ipo : .sigmoid]
    var weights = losses.map { _ in 1.0 }
    // Another count is the weights of the losses before, or an error that a rule reports.
    if let lossWeights, lossWeights.count == losses.count { weights = lossWeights }
    return DPOFamily(
      zip(losses, weights).map { DPOFamily.Weighted($0, weight: $1) }, beta: beta,
      labelSmoothing: losses.contains(where: \.usesLabelSmoothing) ? labelSmoothing : 0, rpoAlpha: rpoAlpha)
  }
}

extension RunConfiguration {
  var objectiveKeys: ObjectiveKeys {
    get { ObjectiveKeys(objective) }
    set { objective = newValue.objective }
  }
}
