// What a user should know about packed samples before a run.

import Corpus

enum PackingNotice {
  /// - Parameter count: the examples of the training data.
  static func text(_ packed: PackedRows, of count: Int) -> String {
    var text =
      "sample_packing: \(count) example\(count == 1 ? "" : "s") packed into \(packed.rows) "
      + "row\(packed.rows == 1 ? "" : "s") of \(packed.rowTokens) tokens, \(percent(packed.fill)) full; "
      + "a step takes \(packed.rowsPerStep)"
    if packed.examples < count {
      text += "; \(count - packed.examples) of the examples are left over in an epoch, as in axolotl"
    }
    return text
  }

  private static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
