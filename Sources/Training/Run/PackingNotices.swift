// What a user should know about packed samples before a run.

import Corpus

enum PackingNotices {
  static func texts(_ configuration: RunConfiguration, _ data: TrainingData, _ schedule: StepSchedule) -> [String] {
    guard let packed = schedule.plan.packedRows else { return [] }
    let count = data.training.count
    var text =
      "sample_packing: \(count) example\(count == 1 ? "" : "s") packed into \(packed.rows) "
      + "row\(packed.rows == 1 ? "" : "s") of \(packed.rowTokens) tokens, \(percent(packed.fill)) full; "
      + "a step takes \(packed.rowsPerStep)"
    if packed.examples < count { text += "; an epoch leaves out \(count - packed.examples) examples, as in axolotl" }
    guard !configuration.packing.usesRealBatches, configuration.microBatchSize > 1 else { return [text] }
    return [
      text,
      "sample_packing: a row is as long as micro_batch_size \(configuration.microBatchSize) of sequence_len, as axolotl "
        + "makes them for flash_attention and its like (multipack_real_batches: true packs each alone)",
    ]
  }

  private static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }
}
