// The offset of each LoRA matrix in one flat arena. All-reduce, clipping, optimizer and files share this arena.

import Glibc
package import Tensors

/// The inputs that linear layers share. The A matrices of one input are stacked, so that one product serves them all.
package enum InputGroup: Int, CaseIterable, Sendable {
  case attention, output, feedForward, down

  /// The linear layers that read this input, in stacking order.
  package var modules: [LinearModule] {
    switch self {
    case .attention: [.query, .key, .value]
    case .output: [.output]
    case .feedForward: [.gate, .up]
    case .down: [.down]
    }
  }
}

/// Offsets of all A [R, in] and B [out, R] in the arena, layer by layer.
package struct AdapterLayout: Sendable, Equatable {
  package let configuration: ModelConfiguration
  package let rank: Int
  /// The factor of B A x: alpha / R, or alpha / √R (rank-stabilised).
  package let scale: Float
  /// The adapted linear layers, in arena order.
  package let modules: [LinearModule]
  /// The number of entries of all A and B.
  package let count: Int

  private let layerCount: Int
  private let aOffsets: [LinearModule: Int]
  private let bOffsets: [LinearModule: Int]

  package init(configuration: ModelConfiguration, rank: Int, scale: Float, modules: Set<LinearModule>) {
    (self.configuration, self.rank, self.scale) = (configuration, rank, scale)
    self.modules = InputGroup.allCases.flatMap { $0.modules.filter(modules.contains) }
    var aOffsets: [LinearModule: Int] = [:]
    var bOffsets: [LinearModule: Int] = [:]
    var offset = 0
    for group in InputGroup.allCases {
      for module in group.modules where modules.contains(module) {
        aOffsets[module] = offset
        offset += rank * module.inputWidth(configuration)
      }
      for module in group.modules where modules.contains(module) {
        bOffsets[module] = offset
        offset += rank * module.outputWidth(configuration)
      }
    }
    layerCount = offset
    count = offset * configuration.layerCount
    (self.aOffsets, self.bOffsets) = (aOffsets, bOffsets)
  }

  /// The adapted linear layers of a group.
  package func modules(of group: InputGroup) -> [LinearModule] { group.modules.filter { aOffsets[$0] != nil } }

  /// The number of columns, n R, of a group's reduced rows.
  package func reducedWidth(of group: InputGroup) -> Int { modules(of: group).count * rank }

  /// The columns of `module` in its group's reduced rows [N, n R].
  package func columns(of module: LinearModule, in group: InputGroup) -> Range<Int>? {
    guard let place = modules(of: group).firstIndex(of: module) else { return nil }
    return place * rank..<(place + 1) * rank
  }

  /// The stacked A [n R, in] of adjacent adapted linear layers of one decoder layer.
  package func stackedA(_ modules: [LinearModule], layer: Int, in arena: Storage) -> Matrix? {
    guard let first = modules.first, let offset = aOffsets[first] else { return nil }
    return Matrix(
      arena, offset: layer * layerCount + offset, rows: rank * modules.count, columns: first.inputWidth(configuration))
  }

  /// A [R, in] of a linear layer.
  package func a(_ module: LinearModule, layer: Int, in arena: Storage) -> Matrix? {
    stackedA([module], layer: layer, in: arena)
  }

  /// B [out, R] of a linear layer.
  package func b(_ module: LinearModule, layer: Int, in arena: Storage) -> Matrix? {
    guard let offset = bOffsets[module] else { return nil }
    return Matrix(arena, offset: layer * layerCount + offset, rows: module.outputWidth(configuration), columns: rank)
  }

  /// The ranges of the arena that hold all A or all B, ascending. Adjacent matrices form one range.
  package func ranges(of side: AdapterMatrix.Side) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for layer in 0..<configuration.layerCount {
      for module in modules {
        let (offset, width) =
          side == .a
          ? (aOffsets[module], module.inputWidth(configuration))
          : (bOffsets[module], module.outputWidth(configuration))
        guard let offset else { continue }
        let start = layer * layerCount + offset
        if let last = ranges.last, last.upperBound == start {
          ranges[ranges.count - 1] = last.lowerBound..<start + rank * width
        } else {
          ranges.append(start..<start + rank * width)
        }
      }
    }
    return ranges
  }
}

/// LoRA matrices in their arena (Hu et al. 2021): W x + scale · B A x.
package final class Adapter: Sendable {
  package let layout: AdapterLayout
  package let weights: Storage

  /// Starts with all entries zero.
  package init(layout: AdapterLayout) {
    self.layout = layout
    weights = Storage(count: layout.count)
  }

  /// PEFT's default start, Init[A]: A is uniform in ±1/√in (Kaiming with a = √5). B is zero, so the model's output is
  /// unchanged at first.
  ///
  /// In all three initialisers each number depends on the seed and its place only, not on the number of ranks.
  package func initializeUniform(seed: UInt64) {
    fill(.a) { [layout] module, stream, index in
      let bound = 1 / Double(module.inputWidth(layout.configuration)).squareRoot()
      return (2 * CounterRandom(key: seed).uniform(stream: stream, index: index) - 1) * bound
    }
  }

  /// PEFT's `gaussian` start: A is normal with standard deviation 1/R, for every input width. B is zero.
  package func initializeGaussian(seed: UInt64) {
    fill(.a) { [layout] _, stream, index in
      CounterRandom(key: seed).normal(stream: stream, index: index) / Double(layout.rank)
    }
  }

  /// Init[B] of Hayou et al. 2024b: B is uniform in ±1/√R (the same Kaiming rule). A is zero.
  package func initializeB(seed: UInt64) {
    fill(.b) { [layout] _, stream, index in
      (2 * CounterRandom(key: seed).uniform(stream: stream, index: index) - 1) / Double(layout.rank).squareRoot()
    }
  }

  /// Fills all A or all B from each matrix's random stream and each entry's index. The other side keeps its values.
  private func fill(
    _ side: AdapterMatrix.Side, _ value: (_ module: LinearModule, _ stream: UInt64, _ index: UInt64) -> Double
  ) {
    for layer in 0..<layout.configuration.layerCount {
      for (place, module) in LinearModule.allCases.enumerated() {
        let found =
          side == .a ? layout.a(module, layer: layer, in: weights) : layout.b(module, layer: layer, in: weights)
        guard let matrix = found else { continue }
        let stream = UInt64(layer * LinearModule.allCases.count + place)
        for index in 0..<matrix.rows * matrix.columns {
          matrix.base[index] = Float(value(module, stream, UInt64(index)))
        }
      }
    }
  }
}

extension CounterRandom {
  /// A standard normal number (Box and Muller 1958).
  fileprivate func normal(stream: UInt64, index: UInt64) -> Double {
    let words = block(stream, index)
    func uniform(_ low: UInt32, _ high: UInt32) -> Double { Double((UInt64(low) | UInt64(high) << 32) >> 11) * 0x1p-53 }
    // 1 − u lies in (0, 1], where the logarithm is finite.
    let radius = (-2 * log(1 - uniform(words.x, words.y))).squareRoot()
    return radius * cos(2 * Double.pi * uniform(words.z, words.w))
  }
}
