// The parts of the machine that a run's bits depend on: the vector level and the libraries.

internal import CShoal

package enum Machine {
  package static var processorName: String { ProcFile.value("model name", in: "/proc/cpuinfo") ?? "unknown" }

  /// The vector kernels in use.
  package static var vectorLevel: String {
    switch shoal_vector_level() {
    case 4: "AVX-512"
    case 3: "AVX2"
    default: "baseline"
    }
  }

  /// OpenBLAS's kernel family.
  package static var blasCore: String { String(cString: shoal_blas_core()) }
  /// OpenBLAS's version and build.
  package static var blasVersion: String { String(cString: shoal_blas_version()) }

  /// OpenBLAS's sgemm, the reference for the machine's speed: c = a · bᵀ with a [m, k], b [n, k].
  package static func sgemm(_ c: Matrix, _ a: Matrix, _ b: Matrix, threads: Int) {
    precondition(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows, "sgemm shapes differ")
    shoal_blas_sgemm(
      c.base, a.base, b.base, Int64(a.rows), Int64(b.rows), Int64(a.columns), Int32(threads))
  }
}
