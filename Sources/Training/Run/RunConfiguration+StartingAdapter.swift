// Compares what a configuration says of an adapter with the adapter that training starts from.

import Checkpoints
import Model

extension RunConfiguration {
  /// Checks the keys that are given beside `lora_model_dir`: they have no effect, so they must be true.
  /// - Throws: `ContentError` that names both values of every one that is not.
  func requireStatedAdapter(_ starting: AdapterDirectory) throws(ContentError) {
    let adapter = starting.configuration
    var problems: [ContentError.Problem] = []
    func expect(_ key: String, _ value: String, _ item: String, _ found: String) {
      problems.append(
        .init(
          item, "is \(found)", expected: "\(value), as `\(key)` says: leave that key out, or write what the adapter has"
        ))
    }
    if statedAdapterKeys.contains("lora_r"), loraRank != adapter.rank {
      expect("lora_r", "\(loraRank)", "r", "\(adapter.rank)")
    }
    // A rank-stabilised adapter may be written as a plain one with another alpha, so the scales are compared.
    var stated = adapter
    if statedAdapterKeys.contains("lora_alpha") { stated.alpha = loraAlpha }
    if statedAdapterKeys.contains("peft_use_rslora") { stated.usesRankStabilizedScaling = usesRSLoRA }
    if Float(stated.scaling) != Float(adapter.scaling) {
      if stated.alpha != adapter.alpha {
        expect(
          "lora_alpha", JSONValue.number(loraAlpha).serialized(), "lora_alpha",
          JSONValue.number(adapter.alpha).serialized())
      }
      if stated.usesRankStabilizedScaling != adapter.usesRankStabilizedScaling {
        expect("peft_use_rslora", "\(usesRSLoRA)", "use_rslora", "\(adapter.usesRankStabilizedScaling)")
      }
    }
    if statedAdapterKeys.contains("peft_use_dora"), usesDoRA != (adapter.form == .decomposed) {
      expect("peft_use_dora", "\(usesDoRA)", "use_dora", "\(adapter.form == .decomposed)")
    }
    let modules = adapter.modules.map(\.rawValue)
    if statedAdapterKeys.contains("lora_target_modules"), loraTargetModules != modules {
      expect(
        "lora_target_modules", loraTargetModules.joined(separator: ", "), "target_modules",
        modules.joined(separator: ", "))
    }
    guard problems.isEmpty else {
      throw ContentError("\(starting.path)/\(AdapterDirectory.configurationName)", problems)
    }
  }
}
