// Runs Python programs that nobody trusts, several at a time, contained by the kernel.

import Dispatch
import Glibc
import Synchronization
import Tensors

/// Programs in processes of their own that can start no process, open no socket, signal nobody, and change no file
/// outside of a directory that is removed with them. How: docs/evaluation.md.
package struct ContainedPython: ProgramRunner {
  private let python: PythonInterpreter
  private let limits: ProgramLimits
  private let workers: Int
  private let place: String
  private let layers: ContainmentLayers

  /// The means that hold programs on this machine: `user namespaces, Landlock, system call filter`.
  package var containment: String { layers.names }

  /// Finds Python, and the strongest containment that this kernel has, with a program that tries to break out.
  /// - Parameters:
  ///   - workers: programs at a time.
  ///   - python: a name on the PATH.
  ///   - place: where the programs' directories are made; nil for the usual place of temporary files.
  ///   - allowed: the layers that may be used.
  /// - Throws: `SandboxError`; `FileError` for `place`; `SandboxFailure` if the machine cannot start Python at all.
  package init(
    limits: ProgramLimits = ProgramLimits(), workers: Int = ProcessorSet.boundCount, python: String = "python3",
    place: String? = nil, within allowed: ContainmentLayers = .all
  ) throws {
    let usual = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    self.place = place ?? (usual.hasPrefix("/") ? usual : "/tmp")
    self.python = try PythonInterpreter(named: python)
    (self.limits, self.workers) = (limits, max(1, workers))
    layers = try Self.strongest(self.python, limits, in: self.place, within: allowed)
  }

  private static func strongest(
    _ python: PythonInterpreter, _ limits: ProgramLimits, in place: String, within allowed: ContainmentLayers
  ) throws -> ContainmentLayers {
    var limits = limits
    // Files of modules that are read for the first time.
    limits.seconds = 60
    var reasons: [String] = []
    for layers in ContainmentLayers.candidates(within: allowed) {
      do {
        let outcome = try ContainedProgram.outcome(of: trial, python, in: place, limits: limits, layers: layers)
        if outcome == .passed { return layers }
        reasons.append("\(layers.names): a trial did not pass: \(outcome)")
      } catch let refusal as ContainedProcess.Refusal {
        reasons.append("\(layers.names): \(refusal.text)")
      } catch let failure as SandboxFailure {
        reasons.append("\(layers.names): \(failure)")
      }
    }
    throw SandboxError.noContainment(reasons)
  }

  /// Imports what programs commonly do, then passes only if nothing that must be refused is possible.
  private static let trial = """
    import bisect, collections, copy, datetime, decimal, fractions, functools, hashlib, heapq, itertools, json, math
    import operator, os, random, re, signal, socket, statistics, string, threading, typing

    def refused(attempt, *arguments):
        try:
            attempt(*arguments)
        except OSError:
            return True
        return False

    assert refused(os.fork), "it can start processes"
    assert refused(socket.socket), "it can open sockets"
    assert refused(os.kill, os.getppid(), 0) and refused(os.kill, -1, 0), "it can send signals"
    assert refused(open, "../shoal-trial", "w"), "it can write outside of its directory"
    assert refused(os.chmod, "/", 0o755), "it can change modes"
    assert refused(open, "/proc/%d/environ" % (os.getppid() or os.getpid() + 1)), "it can look into other processes"
    """

  package func run(_ programs: [String]) throws -> [ProgramOutcome] {
    let next = Atomic(0)
    let results = Mutex<(outcomes: [ProgramOutcome?], failure: (any Error)?)>(
      ([ProgramOutcome?](repeating: nil, count: programs.count), nil))
    // A program is started, watched and ended on one thread, which it does not outlive.
    DispatchQueue.concurrentPerform(iterations: min(workers, programs.count)) { _ in
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < programs.count else { return }
        do {
          let outcome = try outcome(of: programs[number])
          results.withLock { $0.outcomes[number] = outcome }
        } catch {
          results.withLock { $0.failure = $0.failure ?? error }
          next.store(programs.count, ordering: .relaxed)
        }
      }
    }
    let (outcomes, failure) = results.withLock { $0 }
    if let refusal = failure as? ContainedProcess.Refusal { throw SandboxFailure(refusal.text) }
    if let failure { throw failure }
    return outcomes.compactMap(\.self)
  }

  private func outcome(of program: String) throws -> ProgramOutcome {
    // Where others use up processes or memory, a start may succeed later.
    for _ in 0..<50 {
      do {
        return try ContainedProgram.outcome(of: program, python, in: place, limits: limits, layers: layers)
      } catch let refusal as ContainedProcess.Refusal where [EAGAIN, ENOMEM, ENOSPC].contains(refusal.code) {
        usleep(100_000)
      }
    }
    return try ContainedProgram.outcome(of: program, python, in: place, limits: limits, layers: layers)
  }
}
