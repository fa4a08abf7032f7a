// What of a policy follows from its parameters' values and is kept between passes: the norms that DoRA divides by.

package import Tensors

extension Policy {
  /// Says that parameters have other values than in the last pass.
  package func parametersChanged() { adapter?.rowNorms?.invalidate() }

  /// What passes need that depends on the parameters' values alone.
  func refresh(_ pool: ThreadPool) {
    guard let adapter else { return }
    adapter.rowNorms?.refresh(adapter.weights, model, pool)
  }

  /// Sets all magnitudes to the norms of the rows: the policy is that of the plain adapter.
  package func startMagnitudes(_ pool: ThreadPool) {
    guard let adapter, let norms = adapter.rowNorms else { return }
    parametersChanged()
    refresh(pool)
    for name in adapter.layout.matrices where name.side == .magnitude {
      guard let norm = norms.of(name.module, layer: name.layer) else { continue }
      let magnitude = adapter.layout.matrix(name, in: adapter.weights)
      for place in 0..<norm.columns { magnitude.base[place] = norm.base[place].isFinite ? norm.base[place] : 0 }
    }
  }
}
