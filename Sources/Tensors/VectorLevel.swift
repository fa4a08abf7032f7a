// Which set of kernels runs. All sets give the same bits; a lower one is chosen to check that, or to compare speeds.

internal import CShoal
import Foundation

/// A set of kernels, by the vectors that it uses.
package enum VectorLevel: Int32, CaseIterable, Sendable {
  case plain, neon, avx2, avx512

  package var name: String {
    switch self {
    case .plain: "plain"
    case .neon: "NEON"
    case .avx2: "AVX2"
    case .avx512: "AVX-512"
    }
  }

  /// The value of `SHOAL_VECTOR_LEVEL` that chooses it.
  package var key: String { "\(self)" }

  var table: UnsafePointer<shoal_kernels>? { shoal_kernels_of(rawValue) }

  /// The version of the kernels' bits, which all levels share. It keys what is kept of their results.
  package static let kernelsVersion = Int(SHOAL_KERNELS_VERSION)

  /// The levels that this processor has, from the narrowest to the widest.
  package static let available = allCases.filter { $0.table != nil }

  /// The environment variable that chooses a level.
  package static let variable = "SHOAL_VECTOR_LEVEL"

  /// The level that the variable asks for, or else the widest.
  /// - Throws: `VectorLevelError` if it names none, or one that this processor lacks.
  package static func chosen(
    by value: String? = ProcessInfo.processInfo.environment[variable]
  ) throws(VectorLevelError) -> VectorLevel {
    guard let value, !value.isEmpty else { return available.last ?? .plain }
    guard let level = available.first(where: { $0.key == value }) else { throw VectorLevelError(value: value) }
    return level
  }

  /// The level in use. A value that chooses none is refused at the program's start.
  package static let inUse = (try? chosen()) ?? available.last ?? .plain
}

/// A value of `SHOAL_VECTOR_LEVEL` that chooses no level of this processor.
package struct VectorLevelError: UserError {
  let value: String

  package var description: String {
    let keys = VectorLevel.available.map(\.key).joined(separator: ", ")
    let isKnown = VectorLevel.allCases.contains { $0.key == value }
    return "\(VectorLevel.variable) is \"\(value)\"; "
      + (isKnown ? "this processor has" : "expected one of") + " \(keys). Leave it out for the fastest"
  }
}

/// The kernels of the level in use.
let kernels = (VectorLevel.inUse.table ?? shoal_kernels_of(Int32(SHOAL_PLAIN))).pointee
