// What a tokenizer puts around a text.

/// The tokens that the post-processor of tokenizer.json adds, such as `<|begin_of_text|>` of Llama 3. transformers adds
/// them to every text unless told otherwise; a chat template writes its own.
struct TokenFrame: Sendable, Equatable {
  var before: [Int32] = []
  var after: [Int32] = []
}
