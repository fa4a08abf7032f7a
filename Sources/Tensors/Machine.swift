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

  /// Operations per second of int8 products in registers alone, on all threads of a pool: the limit of such products.
  package static func int8Peak(_ pool: ThreadPool) -> Double {
    let operations = Atomic(0)
    let clock = ContinuousClock()
    let began = clock.now
    pool.run(pool.threads) { _, _ in
      // About a tenth of a second.
      for _ in 0..<200 { operations.wrappingAdd(Int(kernels.int8_peak(20_000)), ordering: .relaxed) }
    }
    let taken = (clock.now - began).components
    return Double(operations.load(ordering: .relaxed))
      / (Double(taken.seconds) + Double(taken.attoseconds) * 1e-18)
  }

  /// OpenBLAS's sgemm, the reference for the machine's speed: c = a · bᵀ with a [m, k], b [n, k].
  package static func sgemm(_ c: Matrix, _ a: Matrix, _ b: Matrix, threads: Int) {
    precondition(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows, "sgemm shapes differ")
    shoal_blas_sgemm(c.base, a.base, b.base, Int64(a.rows), Int64(b.rows), Int64(a.columns), Int32(threads))
  }
}
