// Runs independent work on all processors with results in order: for texts, before worker threads exist.

import Dispatch

/// The results of `body` for 0..<count, in order; `body` runs on all processors.
package func parallelMap<Result: Sendable>(count: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
  // Texts differ in length: small blocks keep all processors busy to the end.
  let block = 8
  return Array(unsafeUninitializedCapacity: count) { buffer, initialized in
    // Every block writes its own elements only.
    nonisolated(unsafe) let results = buffer
    DispatchQueue.concurrentPerform(iterations: (count + block - 1) / block) { number in
      for place in number * block..<min((number + 1) * block, count) {
        results.initializeElement(at: place, to: body(place))
      }
    }
    initialized = count
  }
}
