// The debug mode's observer: checks every kernel's result and records its norm per layer and step.

import Checkpoints
import Model
package import Tensors

/// A step of the debug mode produced a value that is not finite.
package struct NonFiniteResult: Error, CustomStringConvertible {
  package let step: Int
  package let value: NonFiniteValue

  package var description: String { "step \(step): \(value)" }
}

/// Checks every kernel's result. Writes norms to `debug.jsonl` and the first step's gradient to
/// `gradients.safetensors`.
package final class DebugRecorder: PassObserver {
  private let directory: String
  private var step = 0
  private var lines: [String] = []
  /// Σ x² by layer (−1 outside the layers) and kernel, in order of first appearance.
  private var squares: [Int: [(kernel: String, sum: Double)]] = [:]

  package init(directory: String) { self.directory = directory }

  package func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws {
    if let found = NonFiniteValue(kernel, layer: layer, values) { throw NonFiniteResult(step: step, value: found) }
    let sum = Kernels.sumOfSquares(values)
    let key = layer ?? -1
    if let index = squares[key]?.firstIndex(where: { $0.kernel == kernel }) {
      squares[key]?[index].sum += sum
    } else {
      squares[key, default: []].append((kernel, sum))
    }
  }

  /// Starts a step. Drops all values observed before it (reference pass, evaluation).
  func begin(step: Int) {
    self.step = step
    squares = [:]
  }

  /// Adds the step's table to debug.jsonl: one line per layer, norms of activations and of gradients.
  /// - Throws: `WriteError`.
  func end() throws {
    for (layer, kernels) in squares.sorted(by: { $0.key < $1.key }) {
      func norms(_ isGradient: Bool) -> JSONValue {
        .object(
          kernels.filter { $0.kernel.hasPrefix(Self.gradientPrefix) == isGradient }.map {
            let name = isGradient ? String($0.kernel.dropFirst(Self.gradientPrefix.count)) : $0.kernel
            return .init(name, .number($0.sum.squareRoot()))
          })
      }
      lines.append(
        JSONValue.object([
          .init("step", .integer(Int64(step))), .init("layer", layer < 0 ? .null : .integer(Int64(layer))),
          .init("activations", norms(false)), .init("gradients", norms(true)),
        ]).serialized() + "\n")
    }
    try AtomicFile.write(lines.joined(), to: "\(directory)/\(RunDirectory.debugFileNames[0])")
  }

  private static let gradientPrefix = "gradient of "

  /// Writes a gradient under the parameters' names.
  /// - Throws: `WriteError`.
  func write(gradient: Storage, _ layout: ParameterLayout) throws {
    try AtomicFile.write(to: "\(directory)/\(RunDirectory.debugFileNames[1])") {
      try SafetensorsWriter.write(layout.tensors(of: gradient), to: $0)
    }
  }
}
