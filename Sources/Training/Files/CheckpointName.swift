// The name of a checkpoint in its run's directory.

/// `checkpoint-N`, with the number of steps done; `checkpoint-N-2` and so on where others have taken that name.
struct CheckpointName: CustomStringConvertible {
  let step: Int

  init(step: Int) { self.step = step }

  init?(_ name: String) {
    guard let match = name.wholeMatch(of: /checkpoint-([0-9]{1,15})(-[0-9]{1,3})?/), let step = Int(match.1) else {
      return nil
    }
    self.step = step
  }

  var description: String { "checkpoint-\(step)" }
}
