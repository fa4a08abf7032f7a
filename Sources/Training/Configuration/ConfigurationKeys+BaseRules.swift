// What the keys of the base and of what is trained of it say together.

import Model

extension RunConfiguration {
  /// axolotl wants both keys for QLoRA; either is enough here.
  func checkQuantization(_ section: inout ConfigurationSection) {
    for (key, kind) in [("load_in_4bit", AdapterKind.qlora), ("load_in_8bit", .lora)]
    where adapter == nil && section.value(key, as: .bool) == true {
      section.report(
        "`\(key): true` needs `adapter: \(kind.rawValue)`: weights that are trained are fp32, found no `adapter`",
        about: key)
    }
    if weightStorage == .nf4, section.value("load_in_4bit", as: .bool) == false {
      section.report(
        "`adapter: qlora` is a base in 4 bits, found `load_in_4bit: false`: give one", about: "load_in_4bit")
    }
    if weightStorage == .nf4, isBaseInEightBits {
      let key = section.value("load_in_4bit", as: .bool) == true ? "load_in_4bit: true" : "adapter: qlora"
      section.report(
        "`load_in_8bit: true` is a base in 8 bits, found `\(key)`, which is one in 4 bits: give one",
        about: "load_in_8bit")
    }
  }

  /// An adapter beside random weights that stay as they are learns next to nothing.
  func checkRandomWeights(_ section: inout ConfigurationSection) {
    guard drawsWeights, let adapter else { return }
    section.report(
      "`random_init: true` is for full fine-tuning, found `adapter: \(adapter.rawValue)`: leave `adapter` out",
      about: "random_init")
  }
}
