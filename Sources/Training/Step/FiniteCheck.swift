// Finds the first NaN or infinity by checking every kernel's result.

import Model
import Tensors

/// A kernel's result that is not finite.
package struct NonFiniteValue: Error, CustomStringConvertible {
  package let layer: Int?
  package let kernel: String
  package let row, column: Int
  package let value: Float

  /// - Returns: nil when all `values` are finite.
  init?(_ kernel: String, layer: Int?, _ values: Matrix) {
    guard let place = Kernels.firstNonFinite(values) else { return nil }
    (self.layer, self.kernel, row, column) = (layer, kernel, place.row, place.column)
    value = values[row, column]
  }

  package var description: String {
    "\(layer.map { "layer \($0), " } ?? "")\(kernel): row \(row), column \(column) is \(value)"
  }
}

/// Ends a pass at the first kernel whose result is not finite.
final class FiniteCheck: PassObserver {
  func observe(_ kernel: String, layer: Int?, _ values: Matrix) throws {
    if let found = NonFiniteValue(kernel, layer: layer, values) { throw found }
  }
}

extension Pass {
  /// Runs `body` and checks every kernel's result. Returns the first value that is not finite, if there is one.
  /// - Throws: errors of `body`.
  func firstNonFinite(_ body: () throws -> Void) throws -> NonFiniteValue? {
    let check = FiniteCheck()
    let usual = observer
    observer = check
    defer { observer = usual }
    // The pass does not retain its observer.
    return try withExtendedLifetime(check) {
      do { try body() } catch let found as NonFiniteValue { return found }
      return nil
    }
  }
}
