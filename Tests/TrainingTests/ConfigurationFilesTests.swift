import Corpus
import Foundation
import Testing
import Training

/// The committed configurations.
@Suite struct ConfigurationFilesTests {
  private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("configs").path

  private static var names: [String] {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: directory)) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted()
  }

  @Test func `configurations are found`() {
    #expect(Set(Self.names).isSuperset(of: ["qwen2-0.5b-dpo.yaml", "qwen2-1.5b-dpo.yaml"]))
  }

  @Test(arguments: names) func `every file decodes and every key in it has an effect`(_ name: String) throws {
    let configuration = try RunConfiguration(path: "\(Self.directory)/\(name)")
    // One file is axolotl's, with all that axolotl asks for.
    #expect(configuration.ignoredKeys.isEmpty == (name != "summarize-dpo.yaml"))
    let text = try String(contentsOfFile: "\(Self.directory)/\(name)", encoding: .utf8)
    #expect(text.hasPrefix("# "), "each says what it is")
    #expect(text.contains(" configs/\(name)\n"), "and how it is run")
  }

  /// The experiment in its own spelling is the same job but for the base in 4 bits, the data's format
  /// and dropout.
  @Test func `two spellings of the experiment`() throws {
    func configuration(_ name: String) throws -> RunConfiguration {
      try RunConfiguration(path: "\(Self.directory)/\(name).yaml")
    }
    let differences = try configuration("summarize-dpo").differences(from: configuration("qwen2-1.5b-dpo"))
    #expect(
      differences.map { String($0.prefix { $0 != ":" }) } == [
        "adapter", "load_in_4bit", "lora_dropout", "chat_template", "datasets",
      ])
  }

  @Test func `objectives and switches of the summarisation files`() throws {
    func objective(_ name: String) throws -> Objective {
      try RunConfiguration(path: "\(Self.directory)/\(name).yaml").objective
    }
    #expect(try objective("summarize-sft") == .supervised)
    #expect(try objective("summarize-orpo") == .orpo(beta: 0.1))
    let plus = try RunConfiguration(path: "\(Self.directory)/lora-plus.yaml")
    #expect(plus.loraPlus == .init(ratio: 4, weightDecay: 0))
    #expect(try RunConfiguration(path: "\(Self.directory)/init-b.yaml").initialisation == .initB)
  }

  /// The experiment's numbers, where a default would hide a slip.
  @Test(arguments: ["0.5", "1.5"]) func `the summarisation experiment`(_ size: String) throws {
    let configuration = try RunConfiguration(path: "\(Self.directory)/qwen2-\(size)b-dpo.yaml")
    #expect(configuration.baseModel == "models/Qwen2-\(size)B-Instruct")
    #expect(configuration.loraRank == 32 && configuration.loraAlpha == 64)
    #expect(configuration.loraTargetModules.count == 7)
    #expect(
      configuration.objective == .dpo(DPOFamily([.init(.sigmoid)], beta: 0.1)) && configuration.learningRate == 5e-5)
    #expect(configuration.batchSize == 4 && configuration.epochs == 2 && configuration.sequenceLength == 2048)
    #expect(configuration.heldOut == .share(0.02))
  }
}
