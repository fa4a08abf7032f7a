// Adapters in all the ways in which PEFT selects modules: read, scored and trained on as PEFT does.

import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

/// Compared with PEFT 0.21 in fp64 (Tests/Fixtures/peft_adapters.py).
@Suite struct PEFTAdapterTests {
  private let fixture: TinyFixture
  private let variants: JSONValue
  private let scratch: TemporaryDirectory

  init() throws {
    fixture = try TinyFixture("all")
    variants = try JSONValue.read(file: Repository.fixture("peft/adapters.json"))
    scratch = try TemporaryDirectory()
  }

  /// The fixture's formula for the weights, so that none are kept.
  private func entries(_ place: Int, _ name: String, _ count: Int) -> [Float] {
    let factor = name.contains("lora_A") ? 0.4 : 0.2
    return (0..<count).map { i in
      let value = Double((place * 7919 + i * 104_729) % 2003) / 2003 - 0.5
      return Float(name.contains("magnitude") || name.contains("norm") ? 1 + 0.4 * value : value * factor)
    }
  }

  /// Writes a variant as PEFT saved it.
  private func directory(_ name: String, _ rename: (String) -> String = { $0 }) throws -> String {
    let variant = try variants[name].required(name)
    let path = scratch.path(UUID().uuidString)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try AtomicFile.write(
      try variant["config"].required("config").serialized(), to: "\(path)/\(AdapterDirectory.configurationName)")
    let type: ElementType =
      switch variant["type"]?.string {
      case "bfloat16": .bfloat16
      case "float16": .float16
      default: .float32
      }
    let shapes = (variant["shapes"]?.members ?? []).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    let tensors = shapes.enumerated().map { place, shape in
      let dimensions = (shape.value.array ?? []).compactMap(\.int)
      let matrix = Matrix(rows: dimensions[0], columns: dimensions.count > 1 ? dimensions[1] : 1)
      for (i, entry) in entries(place, shape.name, dimensions.reduce(1, *)).enumerated() {
        matrix.base[i] = entry
      }
      return OutgoingTensor(name: rename(shape.name), type: type, shape: dimensions) { emit in
        try matrix.narrowed(to: type).withUnsafeBytes(emit)
      }
    }
    try AtomicFile.write(to: "\(path)/\(AdapterDirectory.weightsName)") { try SafetensorsWriter.write(tensors, to: $0) }
    return path
  }

  private func adapter(_ path: String) throws -> Adapter {
    let model = fixture.model.configuration
    return try Adapter(AdapterDirectory(path, model: model), model: model)
  }

  private func policy(_ path: String) throws -> Policy {
    try Policy(fixture.model, AdapterDirectory(path, model: fixture.model.configuration))
  }

  private func logProbabilities(_ policy: Policy) throws -> [Double] {
    let batch = TreeBatch(fixture.trees)
    let pass = Pass(
      fixture.model.configuration, layout: policy.layout, capacity: Capacity(batch), positions: 256, retention: .none,
      threads: 2)
    return try pass.tokenLogProbabilities(batch, policy)
  }

  private func expected(_ name: String) -> [Double] {
    (variants[name]?["log_probs"]?.array ?? []).flatMap { ($0.array ?? []).flatMap(\.numbers) }
  }

  /// Token by token within what fp32 rounds, and within 2e-6 on average.
  private func requireClose(_ found: [Double], _ expected: [Double], _ name: String) {
    #expect(excess(found.map(Float.init), expected.map(Float.init), .logProbability) < 1, "\(name)")
    let mean = zip(found, expected).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(found.count)
    #expect(mean < 2e-6, "\(name): \(mean)")
  }

  @Test func `log-probabilities are PEFT's`() throws {
    let names = (variants.members ?? []).map(\.name)
    #expect(names.count == 24)
    for name in names {
      let (found, expected) = (try logProbabilities(policy(directory(name))), expected(name))
      #expect(found.count == expected.count && !found.isEmpty)
      requireClose(found, expected, name)
    }
  }

  /// What is written is the same adapter to PEFT: its patterns are kept.
  @Test func `an adapter is written as it was read`() throws {
    for name in (variants.members ?? []).map(\.name) {
      let path = try directory(name)
      let model = fixture.model.configuration
      let configuration = try AdapterDirectory(path, model: model).configuration
      let copy = scratch.path("copy-\(name)")
      let first = try policy(path)
      try AdapterDirectory.write(
        first, configuration, InferenceFiles(adapter: nil, base: TinyFixture.path("model")), to: copy)
      let again = try policy(copy)
      #expect(again.layout == first.layout, "\(name)")
      #expect(try logProbabilities(again) == logProbabilities(first), "\(name)")
    }
  }

  @Test func `merged weights are those of the adapter`() throws {
    for name in [
      "both-patterns", "rslora-patterns", "some-layers", "exclude-pattern", "dora", "all-biases", "saved-modules",
    ] {
      let adapter = try policy(directory(name))
      let path = scratch.path("merged-\(name)")
      let base = try ModelDirectory(TinyFixture.path("model"))
      try MergedExport(
        base, adapter, type: .float32, pool: ThreadPool(threads: 2)
      ).write(
        InferenceFiles(adapter: nil, base: base.path), to: path, shardBytes: 1 << 30)
      let batch = TreeBatch(fixture.trees)
      let tuned = LanguageModel(try ModelDirectory(path))
      let pass = Pass(
        model: tuned, layout: nil, capacity: Capacity(batch), positions: 256,
        retention: .none, threads: 2)
      let merged = try pass.tokenLogProbabilities(batch, model: tuned, adapter: nil)
      requireClose(merged, expected(name), name)
    }
  }

  @Test func `gradients are PEFT's where ranks and scales differ`() throws {
    let adapter = try adapter(directory("both-patterns"))
    let batch = TreeBatch(fixture.trees)
    let pass = Pass(
      model: fixture.model, layout: adapter.layout, capacity: Capacity(batch), positions: 256, retention: .all,
      threads: 2)
    let reference = try pass.logProbabilities(batch, model: fixture.model, adapter: nil)
    let gradient = Storage(count: adapter.layout.count)
    _ = try pass.gradient(batch, model: fixture.model, adapter: adapter, dropout: nil, into: gradient) { sums in
      var coefficients = [Double](repeating: 0, count: sums.count)
      for pair in stride(from: 0, to: sums.count, by: 2) {
        let margin = (sums[pair] - reference[pair]) - (sums[pair + 1] - reference[pair + 1])
        let gradient = -0.1 / (1 + exp(0.1 * margin)) / Double(sums.count / 2)
        (coefficients[pair], coefficients[pair + 1]) = (gradient, -gradient)
      }
      return coefficients
    }
    let file = try SafetensorsFile(path: Repository.fixture("peft/gradient.safetensors"))
    #expect(file.names.count == adapter.layout.matrices.count)
    for matrix in adapter.layout.matrices {
      let name = matrix.name.replacing("base_model.model.model.", with: "")
      let entry = try #require(file.tensors.first { matrix.name.hasSuffix($0.key) || $0.key.hasSuffix(name) }?.value)
      let expected = Array(file.bytes(of: entry).bindMemory(to: Float.self))
      let found = adapter.layout.matrix(matrix, in: gradient).elements
      #expect(relativeDistance(found, expected) < Distance.gradient, "\(matrix.name)")
    }
  }

  @Test func `other programs' names of the tensors are known`() throws {
    let expected = try logProbabilities(policy(directory("plain")))
    let renamings: [(String) -> String] = [
      { $0.replacing(".weight", with: ".default.weight") }, { $0.replacing("base_model.model.", with: "") },
      { $0.replacing("base_model.model.", with: "base_model.model._orig_mod.") }, { "module." + $0 },
    ]
    for rename in renamings { #expect(try logProbabilities(policy(directory("plain", rename))) == expected) }
  }

  @Test func `tensors that do not fit are told in one line`() throws {
    func problem(_ rename: @escaping (String) -> String) throws -> String {
      let path = try directory("plain", rename)
      let error = #expect(throws: ContentError.self) { try adapter(path) }
      #expect(error?.problems.count ?? 9 <= 2, "\(error?.description ?? "")")
      return error?.description ?? ""
    }
    let none = try problem { "x." + $0 }
    #expect(none.contains("lacks") && none.contains("PEFT's names"), "\(none)")
    let some = try problem { $0.contains("layers.0") ? "lm_head." + $0 : $0 }
    #expect(some.contains("lacks") || some.contains("beside"), "\(some)")
    let pickled = try directory("plain")
    try FileManager.default.moveItem(
      atPath: "\(pickled)/adapter_model.safetensors", toPath: "\(pickled)/adapter_model.bin")
    let error = #expect(throws: ContentError.self) { try adapter(pickled) }
    #expect(error?.description.contains("adapter_model.bin") == true && error?.problems.count == 1)
  }
}
