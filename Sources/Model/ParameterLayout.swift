// What is trained, as named ranges of one arena. Reduction, clipping, optimizer and files know parameters and nothing of
// where they come from.

package import Checkpoints
package import Tensors

/// One trained tensor.
package struct Parameter: Sendable, Equatable {
  /// What it is to the model: this decides about its learning rate, its decay and the metric that counts it.
  package enum Role: Sendable, CaseIterable {
    /// LoRA's A [R, in] and B [out, R].
    case loraA, loraB
    /// DoRA's magnitudes.
    case magnitude
    /// A weight of the model itself: a matrix, or a norm or bias.
    case matrix, vector
  }

  /// Its name in files.
  package let name: String
  /// Rows and columns; vectors have columns alone.
  package let shape: [Int]
  /// Its entries in the arena, row by row.
  package let range: Range<Int>
  package let role: Role

  package init(name: String, shape: [Int], offset: Int, role: Role) {
    (self.name, self.shape, self.role) = (name, shape, role)
    range = offset..<offset + shape.reduce(1, *)
  }

  /// The part of an arena (values, gradients or moments) that is this parameter's.
  package func matrix(in arena: Storage) -> Matrix {
    let rows = shape.count == 2 ? shape[0] : 1
    return Matrix(arena, offset: range.lowerBound, rows: rows, columns: range.count / rows)
  }
}

/// All parameters of a run, in the order of its files; together their ranges fill the arena.
package struct ParameterLayout: Sendable, Equatable {
  package let parameters: [Parameter]
  /// The number of entries.
  package let count: Int

  package init(_ parameters: [Parameter]) {
    self.parameters = parameters
    count = parameters.reduce(0) { $0 + $1.range.count }
    precondition(
      count == parameters.map(\.range.upperBound).max() ?? 0, "the parameters' ranges leave gaps or lie on each other")
  }

  /// The ranges of the arena with parameters of some roles, ascending. Neighbours are one range.
  package func ranges(of roles: Parameter.Role...) -> [Range<Int>] {
    parameters.filter { roles.contains($0.role) }.map(\.range).sorted { $0.lowerBound < $1.lowerBound }.reduce(into: [])
    {
      if let last = $0.last, last.upperBound == $1.lowerBound {
        $0[$0.count - 1] = last.lowerBound..<$1.upperBound
      } else {
        $0.append($1)
      }
    }
  }

  /// The tensors of an arena (values, gradients or moments), under the parameters' names.
  /// - Parameter prefix: put before every name.
  package func tensors(of arena: Storage, prefix: String = "") -> [OutgoingTensor] {
    parameters.map { parameter in
      OutgoingTensor(name: prefix + parameter.name, type: .float32, shape: parameter.shape) { emit in
        try emit(
          UnsafeRawBufferPointer(
            UnsafeBufferPointer(start: arena.base + parameter.range.lowerBound, count: parameter.range.count)))
      }
    }
  }

  /// Fills an arena from tensors that `tensors(of:prefix:)` wrote.
  /// - Throws: `ContentError` that names every missing or misshapen tensor.
  package func read(_ file: SafetensorsFile, prefix: String, into arena: Storage) throws(ContentError) {
    try requireTensors(file, prefix: prefix)
    copy(0..<count, from: file, prefix: prefix, to: arena.base)
  }

  /// Requires that a file has all tensors that `read` takes.
  /// - Throws: `ContentError` that names every missing or misshapen one.
  package func requireTensors(_ file: SafetensorsFile, prefix: String) throws(ContentError) {
    var problems: [ContentError.Problem] = []
    for parameter in parameters {
      guard let entry = file.tensors[prefix + parameter.name] else {
        problems.append(.init(prefix + parameter.name, "is missing"))
        continue
      }
      guard entry.type == .float32, entry.shape == parameter.shape else {
        problems.append(
          .init(
            prefix + parameter.name, "is \(entry.type.rawValue) \(entry.shape)", expected: "F32 \(parameter.shape)"))
        continue
      }
    }
    guard problems.isEmpty else { throw ContentError(file.path, problems) }
  }

  /// Copies a range of an arena from a file that has all tensors.
  package func copy(
    _ range: Range<Int>, from file: SafetensorsFile, prefix: String, to numbers: UnsafeMutablePointer<Float>
  ) {
    for parameter in parameters where parameter.range.overlaps(range) {
      guard let entry = file.tensors[prefix + parameter.name] else { continue }
      let own = parameter.range.clamped(to: range)
      let start = 4 * (own.lowerBound - parameter.range.lowerBound)
      let bytes = file.bytes(of: entry)[start..<start + 4 * own.count]
      UnsafeMutableRawBufferPointer(start: numbers + (own.lowerBound - range.lowerBound), count: 4 * own.count)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes))
    }
  }
}
