// The machine, as reports name it.

internal import CShoal
import Synchronization

package enum Machine {
  package static var processorName: String { ProcFile.value("model name", in: "/proc/cpuinfo") ?? "unknown" }

  package static var architecture: String {
    #if arch(arm64)
      "aarch64"
    #else
      "x86_64"
    #endif
  }

  /// OpenBLAS's kernel family.
  package static var blasCore: String { String(cString: shoal_blas_core()) }
  /// OpenBLAS's version and build.
  package static var blasVersion: String { String(cString: shoal_blas_version()) }

  /// Computes int8 products in registers alone, about a tenth of a second on all threads: the limit of such products.
  /// - Returns: the number of operations.
  package static func int8Products(_ pool: ThreadPool) -> Int {
    let operations = Atomic(0)
    pool.run(pool.threads) { _, _ in operations.wrappingAdd(Int(kernels.int8_peak(4_000_000)), ordering: .relaxed) }
    return operations.load(ordering: .relaxed)
  }

  /// OpenBLAS's sgemm, the reference for the machine's speed: c = a · bᵀ with a [m, k], b [n, k].
  package static func sgemm(_ c: Matrix, _ a: Matrix, _ b: Matrix, threads: Int) {
    precondition(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows, "sgemm shapes differ")
    shoal_blas_sgemm(c.base, a.base, b.base, Int64(a.rows), Int64(b.rows), Int64(a.columns), Int32(threads))
  }
}
