// A benchmark's report as a table and as JSON.

import Checkpoints
import Foundation
import Model
import Tensors
import Training

struct BenchTable {
  private let report: BenchmarkReport
  private let name: String

  init(_ report: BenchmarkReport, name: String) { (self.report, self.name) = (report, name) }

  /// Smallest, median and largest.
  private struct Spread {
    let least, median, most: Double

    init(_ values: [Double]) {
      let sorted = values.sorted()
      (least, median, most) = (sorted.first ?? 0, sorted.isEmpty ? 0 : sorted[sorted.count / 2], sorted.last ?? 0)
    }

    func text(_ digits: Int, scale: Double = 1) -> String {
      String(format: "%.\(digits)f (%.\(digits)f–%.\(digits)f)", median * scale, least * scale, most * scale)
    }

    var json: JSONValue { ["median": .number(median), "least": .number(least), "most": .number(most)] }
  }

  private var limit: Spread { Spread(report.rounds.map(\.limits.sgemm)) }
  private var step: Spread { Spread(report.rounds.map(\.step.seconds)) }
  private var reference: Spread { Spread(report.rounds.map(\.step.referenceSeconds)) }
  private var pairsPerSecond: Spread { Spread(report.rounds.map { Double(report.request.pairs) / $0.step.seconds }) }
  private var utilisation: Spread { Spread(report.utilisations) }

  /// Mean seconds of a rank in each phase of a step.
  private var phases: PhaseSeconds { Self.mean(report.rounds.flatMap(\.step.phases)) }

  private static func mean(_ all: [PhaseSeconds]) -> PhaseSeconds {
    var mean = PhaseSeconds()
    for phase in Phase.allCases { mean[phase] = all.reduce(0) { $0 + $1[phase] } / Double(max(all.count, 1)) }
    return mean
  }

  /// What is measured in int8 besides, by round; nil: the steps are in fp32.
  private var int8: Int8Spreads? {
    guard report.request.arithmetic == .int8 else { return nil }
    let (limits, floats) = (report.rounds.compactMap(\.limits.int8), report.rounds.compactMap(\.floatStep))
    return Int8Spreads(
      products: Spread(limits.map(\.products)), peak: Spread(limits.map(\.peak)),
      floatStep: Spread(floats.map(\.seconds)), floatReference: Spread(floats.map(\.referenceSeconds)),
      gain: Spread(report.gains.map(\.measured)), share: Spread(report.gains.map { $0.measured / $0.possible }),
      floatPhases: Self.mean(floats.flatMap(\.phases)))
  }

  private struct Int8Spreads {
    let products, peak: Spread
    let floatStep, floatReference: Spread
    /// fp32's seconds over int8's, and its share of what the linear layers alone make possible.
    let gain, share: Spread
    let floatPhases: PhaseSeconds
  }

  var text: String {
    let request = report.request
    let mean = phases
    let trained = request.loraRank.map { "LoRA rank \($0)" } ?? "all weights"
    var lines = [
      "\(Machine.processorName), \(VectorLevel.inUse.name); OpenBLAS core \(Machine.blasCore)",
      "\(name), \(trained), \(request.arithmetic.rawValue), \(request.pairs) pairs of \(request.prompt) + \(request.chosen) + "
        + "\(request.rejected) tokens, \(report.microBatches) micro-batches of at most \(report.rows) rows, "
        + "\(report.ranks) ranks x \(request.threads) threads",
      "",
      "median (least–most) of \(report.rounds.count) rounds",
      row("sgemm, GF/s", limit.text(0, scale: 1e-9)),
    ]
    if let int8 {
      lines += [
        row("int8 products, Gop/s", int8.products.text(0, scale: 1e-9)),
        row("int8 peak, Gop/s", int8.peak.text(0, scale: 1e-9)),
        row("step in fp32, s", int8.floatStep.text(2)),
        row("… reference, s", int8.floatReference.text(2)),
        row("times as fast", int8.gain.text(2)),
        row("… of possible, %", int8.share.text(1, scale: 100)),
      ]
    }
    lines += [
      row("step, s", step.text(2) + String(format: ", predicted %.2f", report.predictedStepSeconds)),
      row("reference, s", reference.text(2)),
      row("pairs/s", pairsPerSecond.text(4)),
      row("operations, TF", String(format: "%.3f", report.step.total * 1e-12)),
      row("utilisation, %", utilisation.text(1, scale: 100)),
      row("… of reference, %", Spread(report.referenceUtilisations).text(1, scale: 100)),
      row("private memory", ByteCount.text(report.privateBytes)),
      row("page faults/step", Spread(report.rounds.map { Double($0.step.pageFaults) }).text(0)), "",
      "seconds of a rank" + (int8 == nil ? "" : ", and in fp32"),
    ]
    for phase in Phase.allCases {
      lines.append(
        row(
          phase.name,
          String(format: "%7.3f %5.1f %%", mean[phase], 100 * mean[phase] / max(mean.total, 1e-9))
            + (int8.map { String(format: " %7.3f", $0.floatPhases[phase]) } ?? "")))
    }
    lines += ["", "sgemm by shape, out x in, GF/s of a rank"]
    lines += report.shapes.map { row($0.name, String(format: "%.0f", $0.rate * 1e-9)) }
    return lines.joined(separator: "\n")
  }

  private func row(_ name: String, _ value: String) -> String {
    "  " + name.padding(toLength: 20, withPad: " ", startingAt: 0) + value
  }

  var json: JSONValue {
    let request = report.request
    let mean = phases
    let ofInt8 = int8.map { int8 -> JSONValue in
      [
        "product_ops": int8.products.json, "peak_ops": int8.peak.json, "fp32_step_seconds": int8.floatStep.json,
        "fp32_reference_seconds": int8.floatReference.json, "times_as_fast": int8.gain.json,
        "share_of_possible": int8.share.json,
        "fp32_phase_seconds": .object(Phase.allCases.map { .init($0.name, .number(int8.floatPhases[$0])) }),
      ]
    }
    return [
      "machine": [
        "cpu": .string(Machine.processorName), "vector_level": .string(VectorLevel.inUse.name),
        "blas_core": .string(Machine.blasCore),
      ],
      "model": .string(name), "arithmetic": .string(request.arithmetic.rawValue), "int8": ofInt8 ?? .null,
      "lora_rank": request.loraRank.map { .integer(Int64($0)) } ?? .null,
      "tokens": [
        "prompt": .integer(Int64(request.prompt)), "chosen": .integer(Int64(request.chosen)),
        "rejected": .integer(Int64(request.rejected)),
      ],
      "pairs_per_step": .integer(Int64(request.pairs)), "micro_batches": .integer(Int64(report.microBatches)),
      "rows": .integer(Int64(report.rows)), "ranks": .integer(Int64(report.ranks)),
      "threads": .integer(Int64(request.threads)), "rounds": .integer(Int64(report.rounds.count)),
      "sgemm_flops": limit.json,
      "sgemm_flops_by_shape": .object(report.shapes.map { .init($0.name, .number($0.rate)) }),
      "step_seconds": step.json, "predicted_step_seconds": .number(report.predictedStepSeconds),
      "reference_seconds": reference.json, "pairs_per_second": pairsPerSecond.json,
      "step_operations": .number(report.step.total), "reference_operations": .number(report.reference.total),
      "utilisation": utilisation.json, "reference_utilisation": Spread(report.referenceUtilisations).json,
      "private_bytes": .integer(Int64(report.privateBytes)),
      "page_faults_per_step": Spread(report.rounds.map { Double($0.step.pageFaults) }).json,
      "phase_seconds": .object(Phase.allCases.map { .init($0.name, .number(mean[$0])) }),
    ]
  }
}
