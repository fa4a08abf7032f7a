// Injects faults into one run after the other, as drawn from the seed.

import Foundation

/// Disturbs runs and keeps the tally. Extensions contain the kinds of faults.
final class FaultInjector {
  private(set) var tally = FaultTally()
  /// Faults whose run ended before they could be injected.
  private(set) var escaped = 0
  private var draws: Draws
  private var templates: [String: RunFixture] = [:]
  private let isCampaign: Bool

  /// - Parameter isCampaign: whether to print every fault to standard output.
  init(seed: UInt64, isCampaign: Bool = false) {
    draws = Draws(state: seed)
    self.isCampaign = isCampaign
  }

  /// SplitMix64.
  private struct Draws: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }

  func draw(_ range: Range<Int>) -> Int { Int.random(in: range, using: &draws) }
  func draw(_ range: Range<Double>) -> Double { Double.random(in: range, using: &draws) }
  func draw<Value>(_ values: [Value]) -> Value { values[draw(0..<values.count)] }

  /// Any way to start a run: 1 to 4 ranks, 1 or 2 threads. Outside campaigns only the quick ways.
  func drawStart() -> LaunchMode {
    isCampaign
      ? draw([.alone(threads: 1), .alone(threads: 2), .ranks(1), .ranks(2), .ranks(3), .ranks(4), .launcher(2)])
      : drawSmallStart()
  }

  /// A quick way to start a run.
  func drawSmallStart() -> LaunchMode { draw([.alone(threads: 1), .alone(threads: 2), .ranks(2)]) }

  /// A fixture that is made once and then copied.
  func template(_ name: String, _ make: () throws -> RunFixture) throws -> RunFixture {
    if let fixture = templates[name] { return fixture }
    let fixture = try make()
    templates[name] = fixture
    return fixture
  }

  func omit(_ text: String) { tally.omit(text) }

  /// Disturbs a run and counts the result.
  /// - Parameter body: injects the fault and waits for the run's end. Returns the fault and its phase of the run, or
  ///   nil if the run escaped; it is then called again with another run.
  func disturb(
    _ kind: String, attempts: Int = 10, _ run: @autoclosure () throws -> FaultyRun,
    _ body: (FaultyRun) throws -> (fault: String, phase: String?)?
  ) throws {
    for _ in 0..<attempts {
      let began = ContinuousClock.now
      let run = try run()
      var done: (fault: String, phase: String?)?
      do {
        done = try body(run)
      } catch {
        run.complain("\(error)")
        done = ("", nil)
      }
      guard let done else { continue }
      tally.add(kind, run, fault: done.fault, phase: done.phase)
      if isCampaign { tell(kind, run, done.fault, done.phase, (ContinuousClock.now - began) / .seconds(1)) }
      return
    }
    escaped += 1
    if isCampaign { Self.tell("\(kind): every run was over before") }
  }

  private func tell(_ kind: String, _ run: FaultyRun, _ fault: String, _ phase: String?, _ seconds: Double) {
    let outcome = run.complaints.isEmpty ? (run.isRefused ? "refused" : "recovered") : "WRONG"
    let details = [fault, phase ?? "", String(format: "%.1f s", seconds)].filter { !$0.isEmpty }.joined(separator: "; ")
    Self.tell("\(tally.injected) \(kind), \(run.workload.name) (\(details)): \(outcome)")
    for complaint in run.complaints { Self.tell("    \(complaint)") }
  }

  /// Without buffering.
  private static func tell(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}
