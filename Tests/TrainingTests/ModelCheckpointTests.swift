import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing
import Training

/// Checkpoints of full fine-tuning: whole models in fp32. Damage is seen in those of adapters too.
@Suite struct ModelCheckpointTests {
  /// A whole model in training.
  static func trainedModel() throws -> (PolicyState, PolicyForm, InferenceFiles) {
    let directory = try ModelDirectory(Repository.fixture("families/qwen3"))
    let layout = PolicyLayout(directory.configuration, weights: WeightName.all(directory.configuration))
    let values = Storage(count: layout.count)
    layout.fill(values, from: LanguageModel(directory), ThreadPool(threads: 1))
    let moments = OptimizerMoments(count: layout.count, .adamW)
    for i in 0..<layout.count { moments.second?.base[i] = Float(i) * 0x1p-130 }
    let state = PolicyState(LanguageModel(directory), layout, values: values, moments: moments)
    return (
      state, .model(directory, final: .bfloat16), try InferenceFiles(adapter: nil, base: directory.path)
    )
  }

  static func write(to path: String) throws {
    let (policy, form, inference) = try trainedModel()
    try Checkpoint.write(RunFilesTests.Trained().state, policy, form, inference, to: path)
  }

  @Test func `a checkpoint of a whole model brings everything back and is a model`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("checkpoint-7")
    let (policy, form, inference) = try Self.trainedModel()
    for i in 0..<policy.layout.count { policy.values.base[i] += Float(i) * 0x1p-30 }
    try Checkpoint.write(RunFilesTests.Trained().state, policy, form, inference, to: path)
    let (other, _, _) = try Self.trainedModel()
    try Checkpoint.read(path, form, into: other)
    #expect(memcmp(other.values.base, policy.values.base, 4 * policy.layout.count) == 0)
    let model = LanguageModel(try ModelDirectory(path))
    let embedding = try #require(policy.policy.trained(.embedding))
    #expect(model.embedding.widened().elements == embedding.elements)
    #expect(throws: (any Error).self, "of an adapter") {
      try Checkpoint.read(path, form, into: RunFilesTests.Trained().policy)
    }
  }

  @Test(arguments: [false, true]) func `a damaged checkpoint is refused`(isModel: Bool) throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("checkpoint-7")
    if isModel { try Self.write(to: path) } else { try RunFilesTests.Trained().write(to: path) }
    for name in try FileManager.default.contentsOfDirectory(atPath: path) {
      let file = URL(fileURLWithPath: "\(path)/\(name)")
      let whole = try Data(contentsOf: file)
      for place in [0, 1, 2] {
        try scratch.damage("checkpoint-7/\(name)") { $0 * place / 3 + (place == 2 ? $0 / 4 : 0) }
        #expect(throws: (any Error).self, "\(name), place \(place)") { try Checkpoint.state(of: path) }
        try whole.write(to: file)
      }
      try whole.dropLast().write(to: file)
      #expect(throws: (any Error).self, "\(name), cut short") { try Checkpoint.state(of: path) }
      try FileManager.default.removeItem(at: file)
      #expect(throws: (any Error).self, "\(name) is missing") { try Checkpoint.state(of: path) }
      try whole.write(to: file)
    }
    #expect(try Checkpoint.state(of: path).step == 7)
    #expect(throws: (any Error).self) { try Checkpoint.state(of: scratch.path("none")) }
    #expect(throws: (any Error).self, "what is there is not overwritten") {
      try RunFilesTests.Trained().write(to: path)
    }
  }
}
