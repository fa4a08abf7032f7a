// Which examples each optimizer step of a run has.

import Synchronization

/// The optimizer steps of a run and the examples of each.
package struct StepPlan: Sendable {
  package let order: DataOrder
  private let packer: RowPacker?
  /// Examples in a step, over all ranks, and in an epoch; where samples are packed, the packer's batches.
  private let stepSize, epochSize: Int
  package let totalSteps: Int
  /// The run's steps before the first of this plan: those of a trunk that had other examples, or took them otherwise.
  package let startsAfter: Int
  /// The rows of the first epoch; nil where samples are not packed.
  package let packedRows: PackedRows?
  /// The epoch that was asked for last: the next question is nearly always about the same one.
  private let latest = LatestEpoch()

  /// - Parameters:
  ///   - epochs: may be a fraction; the number of steps is rounded up.
  ///   - maximumSteps: overrides `epochs`; the data repeats when all examples are used.
  ///   - startsAfter: steps that come before, which `maximumSteps` counts and `epochs` does not.
  /// - Precondition: at least one example and one example per step, `epochs` positive, `maximumSteps` at least 1.
  package init(order: DataOrder, batchSize: Int, epochs: Double, maximumSteps: Int?, startsAfter: Int = 0) {
    precondition(order.count > 0 && batchSize > 0, "a step needs examples")
    precondition(epochs > 0 && epochs.isFinite && (maximumSteps ?? 1) > 0, "a run needs steps")
    (self.order, packer, stepSize, epochSize, packedRows) = (order, nil, batchSize, order.count, nil)
    self.startsAfter = startsAfter
    totalSteps =
      maximumSteps ?? startsAfter + Self.steps(epochs, perEpoch: Self.quotient(order.count, batchSize))
  }

  /// Plans a run with packed samples, with axolotl's numbers of steps.
  ///
  /// Every epoch has as many batches as the fewest of four orders make. Its last step may have fewer than the others.
  /// The number of steps is `epochs` times the complete steps of an epoch, rounded down.
  /// - Parameters:
  ///   - batchesPerStep: over all ranks.
  ///   - epochs, maximumSteps, startsAfter: as above.
  package init(
    order: DataOrder, packer: RowPacker, batchesPerStep: Int, epochs: Double, maximumSteps: Int?, startsAfter: Int = 0
  ) {
    precondition(order.count > 0 && order.count == packer.lengths.count, "every example has a length")
    precondition(epochs > 0 && epochs.isFinite && (maximumSteps ?? 1) > 0, "a run needs steps")
    (self.order, self.packer, stepSize, self.startsAfter) = (order, packer, batchesPerStep, startsAfter)
    let first = packer.rows(order.positions(epoch: 0))
    let others = (1..<(order.shuffles ? 4 : 1)).map { packer.rows(order.positions(epoch: $0)).count }
    epochSize = packer.batches(ofRows: others.reduce(first.count, min))
    packedRows = PackedRows(first.prefix(epochSize * packer.rowsPerBatch), packer, stepSize: stepSize)
    totalSteps =
      maximumSteps
      ?? startsAfter
      + (packer.steps(epochs, batches: epochSize, perStep: stepSize)
        ?? Self.steps(epochs, perEpoch: Self.quotient(epochSize, stepSize)))
  }

  /// The last step of an epoch may have fewer examples than the others.
  package var stepsPerEpoch: Int { Self.quotient(epochSize, stepSize) }

  /// The positions of a step's examples; steps count from 0.
  /// - Precondition: the step is at least `startsAfter`.
  package func positions(step: Int) -> [Int] { Array(slice(step: step)) }

  /// Visits all steps of the plan in order.
  package func forEachStep(_ body: (_ step: Int, _ positions: ArraySlice<Int>) throws -> Void) rethrows {
    // A run that is refused, since it would end before its start, is planned all the same.
    for step in startsAfter..<max(startsAfter, totalSteps) { try body(step, slice(step: step)) }
  }

  private func slice(step: Int) -> ArraySlice<Int> {
    precondition(step >= startsAfter, "step \(step) is not one of those after \(startsAfter)")
    let (number, place) = (step - startsAfter).quotientAndRemainder(dividingBy: stepsPerEpoch)
    return epoch(number)[place]
  }

  /// The epochs of these data that are complete after `steps` steps.
  package func epoch(afterSteps steps: Int) -> Double { Double(steps - startsAfter) / Double(stepsPerEpoch) }

  // MARK: Epochs

  private func epoch(_ number: Int) -> Epoch {
    latest.epoch(number) {
      let order = order.positions(epoch: number)
      let starts = Array(stride(from: 0, to: epochSize, by: stepSize)) + [epochSize]
      guard let packer else { return Epoch(positions: order, starts: starts) }
      let batches = packer.batches(order)
      var packed = Epoch(positions: [], starts: [0])
      for (start, end) in zip(starts, starts.dropFirst()) {
        // An order that makes fewer batches than the epoch has goes round.
        for batch in start..<end { packed.positions += batches[batch % batches.count] }
        packed.starts.append(packed.positions.count)
      }
      return packed
    }
  }

  private static func quotient(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }

  /// A number of steps beyond 2^53 is a typing error, which must not trap here.
  private static func steps(_ epochs: Double, perEpoch: Int) -> Int {
    max(1, Int(min((epochs * Double(perEpoch)).rounded(.up), 0x1p53)))
  }
}

/// What packing makes of an epoch.
package struct PackedRows: Sendable, Equatable {
  package var rows: Int
  /// Tokens that a row has room for.
  package var rowTokens: Int
  package var rowsPerStep: Int
  /// Examples and tokens in the rows.
  package var examples, tokens: Int

  /// The share of the rows' room that is used.
  package var fill: Double { Double(tokens) / (Double(rows) * Double(rowTokens)) }

  /// - Parameter stepSize: batches of a step.
  fileprivate init(_ rows: ArraySlice<[Int]>, _ packer: RowPacker, stepSize: Int) {
    (self.rows, rowTokens, rowsPerStep) = (rows.count, packer.rowTokens, stepSize * packer.rowsPerBatch)
    examples = rows.reduce(0) { $0 + $1.count }
    tokens = rows.reduce(0) { sum, row in row.reduce(sum) { $0 + packer.lengths[$1] } }
  }
}

extension RowPacker {
  /// axolotl's number of steps; nil where it leaves that to transformers.
  fileprivate func steps(_ epochs: Double, batches: Int, perStep: Int) -> Int? {
    let steps: Double
    if let efficiency = settings.efficiencyEstimate {
      let tokens = Double(lengths.reduce(0, +))
      let rows = 0.99 * tokens / efficiency / Double(sequenceLength)
      let perStep = Double(microBatchSize * perStep)
      steps = (((rows - rows.truncatingRemainder(dividingBy: perStep)) / perStep).rounded() - 1) * epochs
    } else {
      let all = (Double(max(1, batches / perStep)) * epochs).rounded(.down)
      steps = all - (settings.dropsLastStep ? epochs.rounded(.up) : 0)
    }
    return steps > 0 ? Int(min(steps.rounded(.up), 0x1p53)) : nil
  }
}

/// The examples of an epoch, step after step.
private struct Epoch: Sendable {
  var positions: [Int]
  /// Where each step starts in `positions`, and where the last one ends.
  var starts: [Int]

  subscript(step: Int) -> ArraySlice<Int> { positions[starts[step]..<starts[step + 1]] }
}

private final class LatestEpoch: Sendable {
  private let latest = Mutex<(number: Int, epoch: Epoch)?>(nil)

  func epoch(_ number: Int, make: () -> Epoch) -> Epoch {
    latest.withLock { latest in
      if let latest, latest.number == number { return latest.epoch }
      let epoch = make()
      latest = (number, epoch)
      return epoch
    }
  }
}
