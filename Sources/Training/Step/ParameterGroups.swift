// Parameter groups: parts of the arena with their own learning rate.

package import Model

/// Ranges of the arena that share a learning rate and a weight decay.
package struct ParameterGroup: Sendable, Equatable {
  package var ranges: [Range<Int>]
  /// The factor on the configured learning rate, before the schedule's factor.
  package var learningRateRatio: Double
  package var weightDecay: Double

  /// The groups of a configuration.
  static func all(_ layout: ParameterLayout, _ configuration: RunConfiguration) -> [ParameterGroup] {
    guard let plus = configuration.loraPlus else { return plain(layout, weightDecay: configuration.weightDecay) }
    return loraPlus(layout, ratio: plus.ratio, weightDecay: plus.weightDecay)
  }

  /// All parameters at one rate. Norms and biases do not decay, as in transformers; DoRA's magnitudes do, as there.
  package static func plain(_ layout: ParameterLayout, weightDecay: Double) -> [ParameterGroup] {
    [
      ParameterGroup(
        ranges: layout.ranges(of: .loraA, .loraB, .magnitude, .matrix), learningRateRatio: 1,
        weightDecay: weightDecay),
      ParameterGroup(ranges: layout.ranges(of: .vector), learningRateRatio: 1, weightDecay: 0),
    ].filter { !$0.ranges.isEmpty }
  }

  /// LoRA+ (Hayou et al. 2024a): the learning rate of B is `ratio` times that of A. The groups are those of PEFT's
  /// `create_loraplus_optimizer`: DoRA's magnitudes are with B; matrices that are trained beside LoRA are with A, norms and
  /// biases with B but without decay. AdamW and Lion multiply the decay by the learning rate, so B's effective decay is `ratio` times as large.
  package static func loraPlus(_ layout: ParameterLayout, ratio: Double, weightDecay: Double = 0) -> [ParameterGroup] {
    [
      ParameterGroup(ranges: layout.ranges(of: .loraA, .matrix), learningRateRatio: 1, weightDecay: weightDecay),
      ParameterGroup(ranges: layout.ranges(of: .loraB, .magnitude), learningRateRatio: ratio, weightDecay: weightDecay),
      ParameterGroup(ranges: layout.ranges(of: .vector), learningRateRatio: ratio, weightDecay: 0),
    ].filter { !$0.ranges.isEmpty }
  }
}
