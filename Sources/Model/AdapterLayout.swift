// The offset of each LoRA matrix in one flat arena. All-reduce, clipping, optimizer and files share this arena.

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

  /// The input that `module` reads.
  init(of module: LinearModule) {
    self =
      switch module {
      case .query, .key, .value: .attention
      case .output: .output
      case .gate, .up: .feedForward
      case .down: .down
      }
  }
}

/// What an adapter makes of W x.
package enum AdapterForm: String, Sendable, Codable {
  /// LoRA: W x + s B A x.
  case plain
  /// LoRA relative to a frozen companion, which is the start of the run (PiSSA, OLoRA): W x + s (B A − B₀ A₀) x.
  case relative
  /// DoRA (Liu et al. 2024): m ∘ V x with the rows of V = W + s B A divided by their norms. The norms have no gradient.
  case decomposed
}

/// Rank, scale and offsets of all A [R, in] and B [out, R] in the arena, layer by layer.
package struct AdapterLayout: Sendable, Equatable {
  /// What an adapted linear layer has.
  package struct Shape: Sendable, Equatable {
    package let rank: Int
    /// The factor of B A x: alpha / R, or alpha / √R (rank-stabilised).
    package let scale: Float
  }

  private struct Place: Sendable, Equatable {
    let shape: Shape
    var a, b: Int
    /// Of a decomposed adapter, in the arena and among the norms.
    var magnitude, norm: Int?
  }

  package let configuration: ModelConfiguration
  package let form: AdapterForm
  /// The linear layers that are adapted in some decoder layer, in arena order.
  package let modules: [LinearModule]
  /// All A and B.
  package let parameters: ParameterLayout
  package var count: Int { parameters.count }
  /// Rows of all decomposed linear layers.
  let normCount: Int
  /// One per decoder layer.
  private let places: [[LinearModule: Place]]

  /// - Parameter layers: the adapted linear layers of every decoder layer.
  package init(configuration: ModelConfiguration, layers: [[LinearModule: Shape]], form: AdapterForm = .plain) {
    precondition(layers.count == configuration.layerCount, "\(layers.count) layers of \(configuration.layerCount)")
    (self.configuration, self.form) = (configuration, form)
    modules = LinearModule.allCases.filter { module in layers.contains { $0[module] != nil } }
    var (offset, norms) = (0, 0)
    let places = layers.map { shapes in
      var places = shapes.mapValues { Place(shape: $0, a: 0, b: 0) }
      for group in InputGroup.allCases {
        for module in group.modules {
          guard let shape = shapes[module] else { continue }
          places[module]?.a = offset
          offset += shape.rank * module.inputWidth(configuration)
        }
        for module in group.modules {
          guard let shape = shapes[module] else { continue }
          places[module]?.b = offset
          offset += shape.rank * module.outputWidth(configuration)
        }
        for module in group.modules where form == .decomposed && shapes[module] != nil {
          places[module]?.magnitude = offset
          places[module]?.norm = norms
          offset += module.outputWidth(configuration)
          norms += module.outputWidth(configuration)
        }
      }
      return places
    }
    self.places = places
    normCount = norms
    parameters = ParameterLayout(
      Self.matrices(of: places).map { matrix, place in
        Parameter(
          name: matrix.name, shape: matrix.shape(configuration, rank: place.shape.rank),
          offset: matrix.side == .a ? place.a : matrix.side == .b ? place.b : place.magnitude ?? 0,
          role: matrix.side == .a ? .loraA : matrix.side == .b ? .loraB : .magnitude)
      })
  }

  /// The same rank and scale everywhere.
  package init(
    configuration: ModelConfiguration, rank: Int, scale: Float, modules: Set<LinearModule>, form: AdapterForm = .plain
  ) {
    let shapes = Dictionary(uniqueKeysWithValues: modules.map { ($0, Shape(rank: rank, scale: scale)) })
    self.init(
      configuration: configuration, layers: [[LinearModule: Shape]](repeating: shapes, count: configuration.layerCount),
      form: form)
  }

  /// The layout of an adapter for a model with fewer layers, the ones of this one that have the most entries.
  package func part(of configuration: ModelConfiguration) -> AdapterLayout {
    func size(_ layer: Int) -> Int {
      places[layer].reduce(0) {
        $0 + $1.value.shape.rank * ($1.key.inputWidth(configuration) + $1.key.outputWidth(configuration))
      }
    }
    let layers = places.indices.sorted { (size($1), $0) < (size($0), $1) }.prefix(configuration.layerCount)
    return AdapterLayout(
      configuration: configuration, layers: layers.map { places[$0].mapValues(\.shape) }, form: form)
  }

  /// The layout of the files: a relative adapter is saved as a plain one of twice the rank, [A; A₀] and [B, −B₀].
  package var saved: AdapterLayout {
    guard form == .relative else { return self }
    return AdapterLayout(
      configuration: configuration,
      layers: places.map { $0.mapValues { Shape(rank: 2 * $0.shape.rank, scale: $0.shape.scale) } })
  }

  /// Rank and scale of a linear layer; nil if it is not adapted.
  package func shape(_ module: LinearModule, layer: Int) -> Shape? { places[layer][module]?.shape }

  /// All matrices: layer by layer, module by module, A before B before magnitudes.
  package var matrices: [AdapterMatrix] { Self.matrices(of: places).map(\.matrix) }

  private static func matrices(of places: [[LinearModule: Place]]) -> [(matrix: AdapterMatrix, place: Place)] {
    places.enumerated().flatMap { layer, places in
      LinearModule.allCases.flatMap { module in
        AdapterMatrix.Side.allCases.compactMap { side in
          guard let place = places[module], side != .magnitude || place.magnitude != nil else { return nil }
          return (AdapterMatrix(module, layer: layer, side: side), place)
        }
      }
    }
  }

  private func rank(of modules: some Sequence<LinearModule>, layer: Int) -> Int {
    modules.reduce(0) { $0 + (places[layer][$1]?.shape.rank ?? 0) }
  }

  /// The most columns that a group's reduced rows have in any layer: Σ R, and as many of the companion.
  package func reducedWidth(of group: InputGroup) -> Int {
    (places.indices.map { rank(of: group.modules, layer: $0) }.max() ?? 0) * (form == .relative ? 2 : 1)
  }

  /// The columns of adjacent adapted linear layers in their group's reduced rows [N, Σ R].
  package func columns(of modules: [LinearModule], in group: InputGroup, layer: Int) -> Range<Int> {
    let start = rank(of: group.modules.prefix { $0 != modules.first }, layer: layer)
    return start..<start + rank(of: modules, layer: layer)
  }

  /// The columns of their companions, after those of the whole group.
  func companionColumns(of modules: [LinearModule], in group: InputGroup, layer: Int) -> Range<Int> {
    let own = columns(of: modules, in: group, layer: layer)
    let width = rank(of: group.modules, layer: layer)
    return own.lowerBound + width..<own.upperBound + width
  }

  /// reduced ∘ scale for the columns of adjacent adapted linear layers.
  func scale(_ reduced: Matrix, _ modules: [LinearModule], layer: Int, _ pool: ThreadPool) {
    var start = 0
    for run in runs(modules.compactMap { places[layer][$0]?.shape }) {
      Kernels.scale(reduced.columns(start..<start + run.rank), by: run.scale, pool)
      start += run.rank
    }
  }

  /// Neighbours of one scale as one.
  private func runs(_ shapes: [Shape]) -> [Shape] {
    shapes.reduce(into: []) { runs, shape in
      if let last = runs.last, last.scale == shape.scale {
        runs[runs.count - 1] = Shape(rank: last.rank + shape.rank, scale: last.scale)
      } else {
        runs.append(shape)
      }
    }
  }

  /// The stacked A [Σ R, in] of adjacent adapted linear layers of one decoder layer.
  package func stackedA(_ modules: [LinearModule], layer: Int, in arena: Storage) -> Matrix? {
    guard let first = modules.first, let place = places[layer][first] else { return nil }
    return Matrix(
      arena, offset: place.a, rows: rank(of: modules, layer: layer), columns: first.inputWidth(configuration))
  }

  /// The offset of the stacked A that begin with this linear layer's, and of its B; nil if it is not adapted.
  func offset(ofA module: LinearModule, layer: Int) -> Int? { places[layer][module]?.a }
  func offset(ofB module: LinearModule, layer: Int) -> Int? { places[layer][module]?.b }

  /// A [R, in] of a linear layer.
  package func a(_ module: LinearModule, layer: Int, in arena: Storage) -> Matrix? {
    stackedA([module], layer: layer, in: arena)
  }

  /// B [out, R] of a linear layer.
  package func b(_ module: LinearModule, layer: Int, in arena: Storage) -> Matrix? {
    guard let place = places[layer][module] else { return nil }
    return Matrix(arena, offset: place.b, rows: module.outputWidth(configuration), columns: place.shape.rank)
  }
}

extension AdapterLayout {
  func offset(ofMagnitude module: LinearModule, layer: Int) -> Int? { places[layer][module]?.magnitude }

  /// The magnitudes m [1, out] of a decomposed linear layer.
  package func magnitude(_ module: LinearModule, layer: Int, in arena: Storage) -> Matrix? {
    places[layer][module]?.magnitude.map {
      Matrix(arena, offset: $0, rows: 1, columns: module.outputWidth(configuration))
    }
  }

  /// Its place [1, out] among the norms.
  func norm(_ module: LinearModule, layer: Int, in norms: Storage) -> Matrix? {
    places[layer][module]?.norm.map {
      Matrix(norms, offset: $0, rows: 1, columns: module.outputWidth(configuration))
    }
  }
}

extension AdapterLayout: CustomStringConvertible {
  /// `rank 8 on q_proj, v_proj`, and whether that is all.
  package var description: String {
    let shapes = places.flatMap { $0.values.map(\.shape) }
    let ranks = (shapes.map(\.rank).min() ?? 0, shapes.map(\.rank).max() ?? 0)
    let isWhole = shapes.count == modules.count * places.count && Set(shapes.map(\.scale)).count == 1
    return (form == .decomposed ? "DoRA, " : "")
      + (ranks.0 == ranks.1 ? "rank \(ranks.0)" : "ranks \(ranks.0) to \(ranks.1)")
      + " on \(modules.map(\.rawValue).joined(separator: ", "))"
      + (isWhole && ranks.0 == ranks.1 ? "" : " by patterns, \(shapes.count) in all")
  }
}
