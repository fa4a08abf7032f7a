// The search for a pattern in a text, in time proportional to the text.

/// A search in one text.
///
/// A match may end far before the last character that was read for it. The states in which the reading went on in vain are
/// remembered, so that no later match reads that part again in the same state (Reps, "Maximal-Munch" Tokenization in Linear
/// Time, 1998).
package struct PatternScan {
  /// Readings in vain of at most this many bytes are not remembered: they cost a constant factor only.
  private static let briefReading = 64

  private let automaton: PatternAutomaton
  private let text: UnsafeBufferPointer<UInt8>
  private let end: Int
  /// Places in the text with states from which no match is reached.
  private var vain: Set<Vain> = []
  /// The largest of the places, or -1.
  private var lastVain = -1

  private struct Vain: Hashable {
    let place: Int
    let state: Int
  }

  /// - Parameters:
  ///   - text: valid UTF-8.
  ///   - end: where the text ends for the pattern.
  package init(_ automaton: PatternAutomaton, _ text: UnsafeBufferPointer<UInt8>, upTo end: Int) {
    precondition(end <= text.count, "a text of \(text.count) bytes up to \(end)")
    (self.automaton, self.text, self.end) = (automaton, text, end)
  }

  /// The first match that begins at or after `start`.
  package mutating func match(from start: Int) -> Range<Int>? {
    var start = start
    while start < end {
      if let stop = end(ofMatchAt: start) { return start..<stop }
      start += text.codePoint(at: start).length
    }
    return nil
  }

  /// The end of the match that begins at `start`; nil if there is none.
  @inline(__always)
  private mutating func end(ofMatchAt start: Int) -> Int? {
    let (stop, last) = lastVain < start ? read(from: start) { _ in false } : read(from: start, isVain: vain.contains)
    if last - max(stop, start) > Self.briefReading { remember(from: start, after: max(stop, start), upTo: last) }
    return stop < 0 ? nil : stop
  }

  /// Reads from `start` until nothing can match any more, or nothing is known to. Returns the match's end, -1 if there is
  /// no match, and the place that it came to.
  @inline(__always)
  private func read(from start: Int, isVain: (Vain) -> Bool) -> (stop: Int, last: Int) {
    automaton.symbols.withUnsafeBufferPointer { symbols in
      automaton.transitions.withUnsafeBufferPointer { transitions in
        var state = automaton.stride
        var place = start
        var stop = -1
        while place < end {
          if isVain(Vain(place: place, state: state)) { return (stop, place) }
          let (code, length) = text.codePoint(at: place)
          let entry = Int(transitions[state &+ Int(symbols[Int(code)])])
          if entry & 1 != 0 { stop = place }
          state = entry >> 1
          if state == 0 { return (stop, place) }
          place &+= length
        }
        if transitions[state + automaton.endSymbol] & 1 != 0 { stop = place }
        return (stop, place)
      }
    }
  }

  /// Remembers the states behind a match's end.
  private mutating func remember(from start: Int, after stop: Int, upTo last: Int) {
    var state = automaton.stride
    var place = start
    while place < last {
      if place > stop { vain.insert(Vain(place: place, state: state)) }
      let (code, length) = text.codePoint(at: place)
      state = Int(automaton.transitions[state + Int(automaton.symbols[Int(code)])] >> 1)
      place += length
    }
    lastVain = max(lastVain, last - 1)
  }
}
