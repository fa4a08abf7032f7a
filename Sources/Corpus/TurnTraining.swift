// Which tokens of a conversation axolotl's chat_template trains.

/// The keys of a data set of type chat_template that say what is trained.
package struct TurnTraining: Sendable, Equatable {
  /// Of which turns the token that ends them is trained.
  package enum Ends: String, Sendable, CaseIterable {
    /// Of trained turns.
    case turn
    case all
    /// Of the last turn that has one.
    case last
    case none
  }

  /// `roles_to_train`: the template's roles.
  package var roles = ["assistant"]
  /// `train_on_eos`.
  package var endOfSequence = Ends.turn
  /// `train_on_eot`; nil: as `train_on_eos`.
  package var endOfTurn: Ends?
  /// `eot_tokens`; nil: the end-of-sequence token, and the special token that the template writes after a turn. (axolotl
  /// has the first alone; models trained so never stop if their template ends turns otherwise.)
  package var endOfTurnTokens: [String]?

  package init() {}

  /// Checks that no token has two rules.
  /// - Throws: `TokenizerError`.
  package func validate(with tokenizer: Tokenizer) throws(TokenizerError) {
    guard let ending = tokenizer.endOfSequenceToken, endOfTurnTokens?.contains(ending) == true,
      let endOfTurn, endOfTurn != endOfSequence
    else { return }
    throw TokenizerError(
      path: tokenizer.path,
      reason: "eot_tokens has the end-of-sequence token \(ending), so that train_on_eot (\(endOfTurn.rawValue)) and "
        + "train_on_eos (\(endOfSequence.rawValue)) must be the same")
  }
}
