import Collectives
import Tensors
import Testing

@Suite struct VigilTests {
  private static let limit = 60.0
  private static let interval = 5.0
  /// Moments of a second each; ranks send pulses every five.
  private struct Scene {
    var vigil: Vigil
    var now = 1000.0
    var moves: UInt64 = 0

    init(over ranks: [Int] = [1, 2]) {
      vigil = Vigil(over: ranks, limit: limit, interval: interval, at: 1000)
    }

    /// Lets seconds pass in which `ranks` send pulses.
    mutating func pass(_ seconds: Int, hearing ranks: [Int] = [], in phase: Phase = .linears, moving: Bool = true) {
      for second in 1...seconds {
        now += 1
        vigil.advance(to: now)
        guard second.isMultiple(of: Int(interval)) else { continue }
        if moving { moves += 1 }
        for rank in ranks { vigil.hear(Pulse(moves: moves, phase: phase), from: rank) }
      }
    }

    /// Lets this rank be stopped.
    mutating func sleep(_ seconds: Double) {
      now += seconds
      vigil.advance(to: now)
    }
  }

  @Test func `silence counts from the last pulse`() {
    var scene = Scene()
    scene.pass(60, hearing: [1])
    #expect(scene.vigil.loss() == nil)
    scene.pass(1)
    #expect(scene.vigil.loss() == .silent(rank: 2))
    #expect(scene.vigil.loss(grace: 2) == nil)
    scene.vigil.hear(Pulse(moves: 1, phase: .idle), from: 2)
    #expect(scene.vigil.loss() == nil)
    scene.pass(55, hearing: [2])
    #expect(scene.vigil.loss() == nil)
    scene.pass(10, hearing: [2])
    #expect(scene.vigil.loss() == .silent(rank: 1))
    scene.vigil.limit = 100
    #expect(scene.vigil.loss() == nil)
    scene.vigil.limit = 50
    scene.vigil.release(1)
    #expect(scene.vigil.loss() == nil)
  }

  @Test func `who was stopped itself judges nobody`() {
    var scene = Scene()
    scene.pass(50)
    for _ in 0..<2 {
      scene.sleep(36_000)
      #expect(scene.vigil.loss() == nil)
    }
    // What had arrived meanwhile counts, and the rest goes on from there.
    scene.vigil.hear(Pulse(moves: 1, phase: .idle), from: 1)
    scene.pass(1)
    #expect(scene.vigil.loss() == .silent(rank: 2))
  }

  @Test(arguments: Phase.allCases) func `a rank that does not move is stuck where it works`(phase: Phase) {
    var scene = Scene()
    scene.pass(60, hearing: [1, 2], in: phase, moving: false)
    #expect(scene.vigil.loss() == nil)
    scene.pass(10, hearing: [1, 2], in: phase, moving: false)
    scene.vigil.hear(Pulse(moves: 7, phase: phase), from: 1)
    #expect(scene.vigil.loss() == (phase == .idle || phase == .input ? nil : .stuck(rank: 2, phase: phase)))
    scene.pass(600, hearing: [1, 2], in: phase)
    #expect(scene.vigil.loss() == nil)
  }

  @Test func `a silence that ended is no work`() {
    var scene = Scene(over: [1])
    scene.pass(15, hearing: [1], moving: false)
    scene.pass(55, moving: false)
    scene.pass(35, hearing: [1], moving: false)
    #expect(scene.vigil.loss() == nil)
    scene.pass(15, hearing: [1], moving: false)
    #expect(scene.vigil.loss() == .stuck(rank: 1, phase: .linears))
  }

  @Test func `a silent rank is named before those that wait for it`() {
    var scene = Scene(over: [1, 2, 3])
    scene.pass(30, hearing: [1, 2, 3], in: .reduction, moving: false)
    scene.pass(40, hearing: [1, 3], in: .reduction, moving: false)
    #expect(scene.vigil.loss() == nil)
    scene.pass(25, hearing: [1, 3], in: .reduction, moving: false)
    #expect(scene.vigil.loss() == .silent(rank: 2))
  }
}
