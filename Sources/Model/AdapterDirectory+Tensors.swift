// Finds the matrices of an adapter among the tensors of a file, under PEFT's names and what wrappers make of them.

import Checkpoints
import Tensors

extension AdapterDirectory {
  /// The tensor of every parameter of a layout.
  /// - Throws: `ContentError` with one problem for all tensors that are missing, of no use, misshapen, or of a type that
  ///   is not read.
  static func tensors(
    in file: SafetensorsFile, _ layout: ParameterLayout
  ) throws(ContentError) -> [String: SafetensorsFile.Entry] {
    var stored: [String: String] = [:]
    for name in file.names {
      let canonical = canonical(name)
      if let other = stored.updateValue(name, forKey: canonical) {
        throw ContentError(
          file.path, "holds both \(other) and \(name)", expected: "one adapter: remove the tensors of the other")
      }
    }
    var found: [String: SafetensorsFile.Entry] = [:]
    var (missing, misshapen, untyped) = ([String](), [String](), [String]())
    for parameter in layout.parameters {
      guard let name = stored.removeValue(forKey: parameter.name), let entry = file.tensors[name] else {
        missing.append(parameter.name)
        continue
      }
      let shape = parameter.shape
      if entry.shape != shape { misshapen.append("\(name) of shape \(entry.shape), not \(shape)") }
      if ![.float32, .float16, .bfloat16].contains(entry.type) {
        untyped.append("\(name) of dtype \(entry.type.rawValue)")
      }
      found[parameter.name] = entry
    }
    let problems = [
      problem(
        missing, "lacks",
        expected: found.isEmpty
          ? "PEFT's names; the file has \(file.names.prefix(2).joined(separator: ", ")): an adapter of another model, or"
            + " names to change" : "every matrix that \(configurationName) selects"),
      found.isEmpty
        ? nil
        : problem(
          file.names.filter { stored[canonical($0)] != nil }, "holds beside the adapter's matrices",
          expected: "none: \(configurationName) selects them not; if PEFT saved the embedding or head"
            + " with the adapter, save it again with save_embedding_layers=False"),
      problem(
        misshapen, "holds",
        expected: "the ranks of \(configurationName) and the base's widths: an"
          + " adapter of another rank or model?"),
      problem(untyped, "holds", expected: "F32, F16 or BF16"),
    ].compactMap { $0 }
    guard problems.isEmpty else { throw ContentError(file.path, problems) }
    return found
  }

  /// One line for any number of tensors.
  private static func problem(_ items: [String], _ verb: String, expected: String) -> ContentError.Problem? {
    guard let first = items.first else { return nil }
    let shown = items.count == 1 ? "" : "\(items.count) tensors, first "
    return .init(nil, "\(verb) \(shown)\(first)", expected: expected)
  }

  /// What torch.compile and the wrappers for several processes put into the path of a module.
  private static let wrappers: Set<Substring> = [
    "_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]

  /// PEFT's name of a tensor: without wrappers and the adapter's own name (`lora_A.default.weight`), and with the whole
  /// path of its module. A name that is of no LoRA matrix remains as it is.
  static func canonical(_ name: String) -> String {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false).filter { !wrappers.contains($0) }
    let sides = AdapterMatrix.Side.allCases.map { Substring($0.rawValue) }
    guard let side = parts.lastIndex(where: sides.contains), let layers = parts.firstIndex(of: "layers"),
      parts[..<layers].allSatisfy({ $0 == "base_model" || $0 == "model" })
    else { return name }
    if parts[side] == AdapterMatrix.Side.magnitude.rawValue, parts.count <= side + 3 {
      // A parameter in older releases, a module's weight in newer ones.
      parts.removeSubrange((side + 1)...)
    } else if parts.count == side + 3, parts[side + 2] == "weight" {
      parts.remove(at: side + 1)
    }
    return (["base_model", "model", "model"] + parts[layers...]).joined(separator: ".")
  }
}
