// What the keys of the base and of what is trained of it say together.

import Model

extension RunConfiguration {
  /// axolotl wants both keys for QLoRA; either is enough here.
  func checkFourBits(_ section: inout ConfigurationSection) {
    for key in ["load_in_4bit", "load_in_8bit"] where adapter == nil && section.value(key, as: .bool) == true {
      section.report(
        "`\(key): true` needs an adapter (`adapter: qlora`, or `lora`): weights that are trained are fp32, found no "
          + "`adapter`", about: key)
    }
    if weightStorage == .nf4, section.value("load_in_4bit", as: .bool) == false {
      section.report(
        "`adapter: qlora` is a base in 4 bits, found `load_in_4bit: false`: give one", about: "load_in_4bit")
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
