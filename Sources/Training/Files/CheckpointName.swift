// The name of a checkpoint in its run's directory.

/// `checkpoint-N`, with the number of steps done.
struct CheckpointName: CustomStringConvertible {
  let step: Int

  init(step: Int) { self.step = step }

  init?(_ name: String) {
    guard name.hasPrefix("checkpoint-"), let step = Int(name.dropFirst("checkpoint-".count)) else { return nil }
    self.step = step
  }

  var description: String { "checkpoint-\(step)" }
}
