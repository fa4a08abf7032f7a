// Which parts of the arena are trained at which learning rate.

package import Model

/// Ranges of the arena that share a learning rate and a weight decay.
package struct ParameterGroup: Sendable, Equatable {
  package var ranges: [Range<Int>]
  /// What the configured learning rate is multiplied by, before the schedule's factor.
  package var learningRateRatio: Double
  package var weightDecay: Double

  /// The groups that a configuration asks for.
  static func all(_ layout: AdapterLayout, _ configuration: RunConfiguration) -> [ParameterGroup] {
    guard let plus = configuration.loraPlus else { return plain(layout, weightDecay: configuration.weightDecay) }
    return loraPlus(layout, ratio: plus.ratio, weightDecay: plus.weightDecay)
  }

  /// Everything alike.
  package static func plain(_ layout: AdapterLayout, weightDecay: Double) -> [ParameterGroup] {
    [ParameterGroup(ranges: [0..<layout.count], learningRateRatio: 1, weightDecay: weightDecay)]
  }

  /// LoRA+ (Hayou et al. 2024a): B learns `ratio` times as fast as A. The groups are those of PEFT's
  /// `create_loraplus_optimizer` for linear layers: a decay of their own for both and, as AdamW and Lion multiply it
  /// by the learning rate, `ratio` times as much of it for B.
  package static func loraPlus(_ layout: AdapterLayout, ratio: Double, weightDecay: Double = 0) -> [ParameterGroup] {
    [
      ParameterGroup(ranges: layout.ranges(of: .a), learningRateRatio: 1, weightDecay: weightDecay),
      ParameterGroup(ranges: layout.ranges(of: .b), learningRateRatio: ratio, weightDecay: weightDecay),
    ]
  }
}
