import Collectives
import Tensors
import Testing

@Suite struct FailureDetectorTests {
  private static let limit = 60.0
  private static let interval = 5.0
  /// Advances the time in steps of one second; ranks send heartbeats every five seconds.
  private struct Scene {
    var detector: FailureDetector
    var now = 1000.0
    var moves: UInt64 = 0

    init(over ranks: [Int] = [1, 2]) {
      detector = FailureDetector(over: ranks, limit: limit, interval: interval, at: 1000)
    }

    /// Advances the time by seconds in which `ranks` send heartbeats.
    mutating func pass(_ seconds: Int, hearing ranks: [Int] = [], in phase: Phase = .linears, moving: Bool = true) {
      for second in 1...seconds {
        now += 1
        detector.advance(to: now)
        guard second.isMultiple(of: Int(interval)) else { continue }
        if moving { moves += 1 }
        for rank in ranks { detector.hear(Heartbeat(moves: moves, phase: phase), from: rank) }
      }
    }

    /// Advances the time by seconds in which this rank is stopped.
    mutating func sleep(_ seconds: Double) {
      now += seconds
      detector.advance(to: now)
    }
  }

  @Test func `silence counts from the last heartbeat`() {
    var scene = Scene()
    scene.pass(60, hearing: [1])
    #expect(scene.detector.loss() == nil)
    scene.pass(1)
    #expect(scene.detector.loss() == .silent(rank: 2))
    #expect(scene.detector.loss(grace: 2) == nil)
    scene.detector.hear(Heartbeat(moves: 1, phase: .idle), from: 2)
    #expect(scene.detector.loss() == nil)
    scene.pass(55, hearing: [2])
    #expect(scene.detector.loss() == nil)
    scene.pass(10, hearing: [2])
    #expect(scene.detector.loss() == .silent(rank: 1))
    scene.detector.limit = 100
    #expect(scene.detector.loss() == nil)
    scene.detector.limit = 50
    scene.detector.release(1)
    #expect(scene.detector.loss() == nil)
  }

  @Test func `who was stopped itself judges nobody`() {
    var scene = Scene()
    scene.pass(50)
    for _ in 0..<2 {
      scene.sleep(36_000)
      #expect(scene.detector.loss() == nil)
    }
    // Heartbeats that arrived meanwhile count, and the watch continues from there.
    scene.detector.hear(Heartbeat(moves: 1, phase: .idle), from: 1)
    scene.pass(1)
    #expect(scene.detector.loss() == .silent(rank: 2))
  }

  @Test(arguments: Phase.allCases) func `a rank that does not move is stuck where it works`(phase: Phase) {
    var scene = Scene()
    scene.pass(60, hearing: [1, 2], in: phase, moving: false)
    #expect(scene.detector.loss() == nil)
    scene.pass(10, hearing: [1, 2], in: phase, moving: false)
    scene.detector.hear(Heartbeat(moves: 7, phase: phase), from: 1)
    #expect(scene.detector.loss() == ([.idle, .input, .saving].contains(phase) ? nil : .stuck(rank: 2, phase: phase)))
    scene.pass(600, hearing: [1, 2], in: phase)
    #expect(scene.detector.loss() == nil)
  }

  @Test func `a silence that ended is no work`() {
    var scene = Scene(over: [1])
    scene.pass(15, hearing: [1], moving: false)
    scene.pass(55, moving: false)
    scene.pass(35, hearing: [1], moving: false)
    #expect(scene.detector.loss() == nil)
    scene.pass(15, hearing: [1], moving: false)
    #expect(scene.detector.loss() == .stuck(rank: 1, phase: .linears))
  }

  @Test func `a silent rank is named before those that wait for it`() {
    var scene = Scene(over: [1, 2, 3])
    scene.pass(30, hearing: [1, 2, 3], in: .reduction, moving: false)
    scene.pass(40, hearing: [1, 3], in: .reduction, moving: false)
    #expect(scene.detector.loss() == nil)
    scene.pass(25, hearing: [1, 3], in: .reduction, moving: false)
    #expect(scene.detector.loss() == .silent(rank: 2))
  }
}
