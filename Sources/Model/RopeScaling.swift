// The scaling of the rotary position embedding for long contexts.

/// Llama 3's scaling of rotary frequencies: slow ones are divided by a factor, fast ones stay, those between are mixed.
package struct RopeScaling: Sendable, Equatable, Codable {
  package var factor: Double
  /// Waves longer than `originalPositions / lowFrequencyFactor` are slow; shorter than `/ highFrequencyFactor`, fast.
  package var lowFrequencyFactor, highFrequencyFactor: Double
  /// The context that the model was made for first.
  package var originalPositions: Int

  package init(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Int) {
    (self.factor, self.originalPositions) = (factor, originalPositions)
    (self.lowFrequencyFactor, self.highFrequencyFactor) = (lowFrequencyFactor, highFrequencyFactor)
  }

  /// In fp32, as in transformers.
  func scaled(_ frequency: Float) -> Float {
    let wavelength = 2 * Float.pi / frequency
    let positions = Float(originalPositions)
    if wavelength > positions / Float(lowFrequencyFactor) { return frequency / Float(factor) }
    guard wavelength >= positions / Float(highFrequencyFactor) else { return frequency }
    let share =
      (positions / wavelength - Float(lowFrequencyFactor)) / Float(highFrequencyFactor - lowFrequencyFactor)
    return (1 - share) * frequency / Float(factor) + share * frequency
  }
}
