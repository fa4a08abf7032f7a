// What a run saves its policy as.

import Checkpoints
package import Model
package import Tensors

/// The files that hold what a run trains: a PEFT adapter, or a whole model in hub layout.
package enum PolicyForm {
  case adapter(AdapterConfiguration)
  /// - Parameter final: the element type of the final weights. Checkpoints hold what was trained in fp32.
  case model(ModelDirectory, final: ElementType)

  private static let (modelConfigurationName, modelWeightsName) = ("config.json", "model.safetensors")

  /// The files' names in any form.
  static let allNames = [
    AdapterDirectory.configurationName, AdapterDirectory.weightsName, modelConfigurationName, modelWeightsName,
  ]

  var configurationName: String {
    switch self {
    case .adapter: AdapterDirectory.configurationName
    case .model: Self.modelConfigurationName
    }
  }

  var weightsName: String {
    switch self {
    case .adapter: AdapterDirectory.weightsName
    case .model: Self.modelWeightsName
    }
  }

  /// The names of what stands beside the weights in a checkpoint.
  var namesBeside: [String] {
    switch self {
    case .adapter: InferenceFiles.names
    case .model: Array(InferenceFiles.namesWithTokenizer)
    }
  }

  /// Bytes of a checkpoint without the moments, at most.
  func byteCount(_ layout: PolicyLayout) -> Int {
    switch self {
    case .adapter: 4 * layout.saved.count + (1 << 20)
    case .model(let directory, _):
      // With the tokenizer.
      WeightName.all(directory.configuration).reduce(32 << 20) {
        $0 + 4 * $1.shape(directory.configuration).reduce(1, *)
      }
    }
  }

  /// Writes configuration and weights, the weights last: a directory that has them is whole.
  func write(_ state: PolicyState, isFinal: Bool, _ write: InferenceFiles.Write) throws {
    switch self {
    case .adapter(let configuration):
      try write(configurationName) { try $0.append(Array(configuration.text.utf8)) }
      try write(weightsName) {
        try SafetensorsWriter.write(state.policy.parameterTensors, to: $0)
      }
    case .model(let directory, let type):
      let export = try MergedExport(
        directory, state.policy, type: isFinal ? type : .float32, pool: state.pool)
      try export.writeConfiguration(write)
      try write(weightsName) { try SafetensorsWriter.write(export.tensors, to: $0) }
    }
  }

  /// Writes what stands beside the weights of a checkpoint. That of a whole model is one that every program loads.
  func writeBeside(_ inference: InferenceFiles, _ write: InferenceFiles.Write) throws {
    switch self {
    case .adapter: try inference.write(write)
    case .model: try inference.writeWithTokenizer(write)
    }
  }
}
