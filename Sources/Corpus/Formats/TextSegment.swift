// The stretches of a text that are tokenised one by one, so that no token reaches over their ends.

/// A stretch of a text that is tokenised by itself.
package struct TextSegment: Sendable, Equatable {
  package var parts: [TextPart]
  /// The first part that is trained; nil if none is. The parts before it take as many tokens as they have alone.
  package var trainedFrom: Int?
  /// Whether `train_on_inputs` trains the rest too.
  package var mayTrainAll = true
  /// How many end-of-sequence tokens end it. One that the text spells counts.
  package var endings = 0

  /// Whether what the tokenizer puts before a text is before it.
  package var hasBeginning = false

  package init(_ parts: [TextPart], trainedFrom: Int? = nil, endings: Int = 0) {
    (self.parts, self.trainedFrom, self.endings) = (parts, trainedFrom, endings)
  }
}
