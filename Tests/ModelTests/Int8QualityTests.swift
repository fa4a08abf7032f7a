// How far int8 arithmetic moves results. Tests bound it on small models; `make int8-quality` prints the table of
// docs/results/int8.md for whole ones.

import Checkpoints
import Corpus
import Foundation
import Model
import Tensors
import TestSupport
import Testing

@Suite struct Int8QualityTests {
  /// Log-probs, logits and gradients of pairs.
  private struct Results {
    var tokens: [Double] = []
    var completions: [(sum: Double, count: Int)] = []
    /// Scored rows x V.
    var logits: [[Float]] = []
    var gradients: [String: [Float]] = [:]

    /// Of one pair after the other: log-probs and logits of the base, and the gradient of a fresh adapter that raises
    /// the chosen's log-prob and lowers the rejected's.
    init(_ model: LanguageModel, _ trees: [ExampleTree], _ layout: AdapterLayout) throws {
      let adapter = Adapter(layout: layout)
      adapter.initializeUniform(seed: 1)
      // A fresh B is zero, and with it A's gradient.
      let random = CounterRandom(key: 3)
      for i in 0..<layout.count where adapter.weights.base[i] == 0 {
        adapter.weights.base[i] = Float(random.uniform(stream: 0, index: UInt64(i)) - 0.5) * 0.02
      }
      let batches = trees.map { TreeBatch([$0]) }
      let capacity = batches.map(Capacity.init).reduce(Capacity(rows: 0, scoredRows: 0, targets: 0)) { $0.union($1) }
      let pass = Pass(
        model: model, layout: layout, capacity: capacity, positions: trees.map(\.tokenCount).max() ?? 1,
        retention: .all, threads: 2)
      let gradient = Storage(count: layout.count)
      var sum = [Float](repeating: 0, count: layout.count)
      for (tree, batch) in zip(trees, batches) {
        let observer = LogitsObserver(rows: batch.scoredRows.count)
        pass.observer = observer
        let values = try pass.tokenLogProbabilities(batch, model: model, adapter: nil)
        pass.observer = nil
        logits += observer.rows
        var start = 0
        for completion in tree.completions {
          let own = values[start..<start + completion.count]
          completions.append((own.reduce(0, +), own.count))
          start += completion.count
        }
        tokens += values
        _ = try pass.gradient(batch, model: model, adapter: adapter, dropout: nil, into: gradient) { _ in [-0.05, 0.05]
        }
        for i in 0..<layout.count { sum[i] += gradient.base[i] }
      }
      gradient.base.update(from: sum, count: layout.count)
      for matrix in layout.matrices { gradients[matrix.name] = layout.matrix(matrix, in: gradient).elements }
    }
  }

  /// Collects logits, which come tile by tile.
  private final class LogitsObserver: PassObserver {
    var rows: [[Float]]
    init(rows: Int) { self.rows = Array(repeating: [], count: rows) }

    func observe(_ kernel: String, layer: Int?, _ values: Matrix) {
      guard kernel == "logits" else { return }
      for row in rows.indices {
        rows[row] += UnsafeBufferPointer(start: values.pointer(row: row), count: values.columns)
      }
    }
  }

  /// The measures of the gates.
  private struct Difference {
    /// Of completions: |Σ log-prob − fp32's| / tokens.
    var largest = 0.0, median = 0.0
    /// Of tokens: root mean square of the difference of log-probs.
    var ofToken = 0.0
    /// Of positions: the mean of KL(fp32 || other).
    var divergence = 0.0
    /// Of the gradients of LoRA's matrices.
    var leastCosine = 1.0, medianCosine = 1.0
    /// Pairs whose margin has the same sign.
    var signs = 0.0

    init(_ found: Results, from exact: Results) {
      let ofCompletions = zip(found.completions, exact.completions).map { abs($0.sum - $1.sum) / Double($0.count) }
        .sorted()
      (largest, median) = (ofCompletions.last ?? 0, ofCompletions[ofCompletions.count / 2])
      let squares = zip(found.tokens, exact.tokens).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      ofToken = (squares / Double(found.tokens.count)).squareRoot()
      divergence =
        zip(found.logits, exact.logits).reduce(0) { $0 + Self.divergence(of: $1.0, from: $1.1) }
        / Double(found.logits.count)
      let cosines = exact.gradients.map { Self.cosine(found.gradients[$0.key] ?? [], $0.value) }.sorted()
      (leastCosine, medianCosine) = (cosines[0], cosines[cosines.count / 2])
      func margins(_ results: Results) -> [Bool] {
        stride(from: 0, to: results.completions.count, by: 2).map {
          results.completions[$0].sum > results.completions[$0 + 1].sum
        }
      }
      let same = zip(margins(found), margins(exact)).map { $0 == $1 }
      signs = Double(same.count { $0 }) / Double(same.count)
    }

    private static func divergence(of found: [Float], from exact: [Float]) -> Double {
      func logSum(_ x: [Float]) -> Double {
        let top = Double(x.max() ?? 0)
        return top + log(x.reduce(0) { $0 + exp(Double($1) - top) })
      }
      let (a, b) = (logSum(exact), logSum(found))
      return zip(exact, found).reduce(0) { sum, pair in
        let logP = Double(pair.0) - a
        return sum + exp(logP) * (logP - Double(pair.1) + b)
      }
    }

    private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
      var (ab, aa, bb) = (0.0, 0.0, 0.0)
      for (x, y) in zip(a, b) {
        ab += Double(x) * Double(y)
        aa += Double(x) * Double(x)
        bb += Double(y) * Double(y)
      }
      return aa == 0 && bb == 0 ? 1 : ab / (aa * bb).squareRoot()
    }

    func row(_ name: String) -> String {
      "| \(name) | "
        + [largest, median, ofToken, divergence].map { String(format: "%.1e", $0) }.joined(separator: " | ") + " | "
        + [leastCosine, medianCosine].map { String(format: "%.4f", $0) }.joined(separator: " | ")
        + String(format: " | %.1f %% |", 100 * signs)
    }
  }

  /// Channels `factor` times as large where v_proj's rows and up_proj's rows make them, with the columns of o_proj and
  /// down_proj divided to match: fp32 computes the same function.
  private static func withOutliers(_ model: LanguageModel, _ factor: Float) -> LanguageModel {
    guard factor > 1 else { return model }
    let c = model.configuration
    let layers = model.layers.map { layer in
      let wide = Dictionary(uniqueKeysWithValues: layer.linears.map { ($0, $1.widened()) })
      var biases = layer.biases
      func scale(_ matrix: Matrix, row: Int, by factor: Float) {
        for column in 0..<matrix.columns { matrix[row, column] *= factor }
      }
      for channel in stride(from: 5, to: c.feedForwardSize, by: c.feedForwardSize / 6) {
        scale(wide[.up]!, row: channel, by: factor)
        for row in 0..<c.hiddenSize { wide[.down]![row, channel] /= factor }
      }
      // Every query head of a group reads the value channel.
      let channel = 3 % c.headWidth
      scale(wide[.value]!, row: channel, by: factor)
      if let bias = biases[.value] {
        biases[.value] = copy(bias)
        biases[.value]![0, channel] *= factor
      }
      for head in 0..<c.headCount / c.keyValueHeadCount {
        for row in 0..<c.hiddenSize { wide[.output]![row, head * c.headWidth + channel] /= factor }
      }
      return DecoderLayer(
        inputNorm: layer.inputNorm, postAttentionNorm: layer.postAttentionNorm, queryNorm: layer.queryNorm,
        keyNorm: layer.keyNorm, linears: wide.mapValues { Weight($0) }, biases: biases)
    }
    return LanguageModel(
      configuration: c, embedding: model.embedding, layers: layers, finalNorm: model.finalNorm, head: model.head)
  }

  /// The weights of int8, in fp32 arithmetic: what rounding the weights alone does.
  private static func rounded(_ model: LanguageModel) -> LanguageModel {
    model.replacingMatrices { name in
      guard case .linear(let module, let layer) = name else { return nil }
      return Weight(model.layers[layer].weight(module).widened())
    }
  }

  private static func layout(_ model: LanguageModel) -> AdapterLayout {
    AdapterLayout(configuration: model.configuration, rank: 8, scale: 2, modules: Set(LinearModule.allCases))
  }

  private static func printRows(_ name: String, _ model: LanguageModel, _ trees: [ExampleTree]) throws {
    let layout = layout(model)
    for factor in [Float(1), 30, 100] {
      let stored = withOutliers(model, factor)
      let exact = try Results(stored, trees, layout)
      let pool = ThreadPool(threads: 2)
      let int8 = try stored.inInt8(pool).required("int8")
      let withStoredHead = int8.replacingMatrices { $0 == .head ? stored.head : nil }
      let label = name + (factor > 1 ? ", outliers ×\(Int(factor))" : "")
      print(Difference(try Results(rounded(withStoredHead), trees, layout), from: exact).row("\(label): weights alone"))
      print(Difference(try Results(withStoredHead, trees, layout), from: exact).row("\(label): int8, head as stored"))
      print(Difference(try Results(int8, trees, layout), from: exact).row("\(label): int8"))
    }
  }

  /// Random pairs.
  private static func trees(_ count: Int, _ lengths: [Int], vocabulary: Int) -> [ExampleTree] {
    let random = CounterRandom(key: 4)
    var drawn: UInt64 = 0
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in
        drawn += 1
        return Int32(random.uniform(stream: 2, index: drawn) * Double(vocabulary))
      }
    }
    return (0..<count).map {
      ExampleTree(index: $0, prompt: tokens(lengths[0]), completions: [tokens(lengths[1]), tokens(lengths[2])])
    }
  }

  private static let demoPath = "\(Repository.path)/demo/model"

  /// The demo's held-out pairs, in its chat template.
  private static func demoTrees() throws -> [ExampleTree] {
    let tokenizer = try Tokenizer(directory: demoPath)
    let lines = try String(contentsOfFile: "\(Repository.path)/demo/heldout.jsonl", encoding: .utf8)
    return try lines.split(separator: "\n").enumerated().map { number, line in
      let record = try JSONValue.parse(String(line))
      func ids(_ key: String, _ start: String, _ end: String) throws -> [Int32] {
        let text = try record[key]?.array?.first?["content"]?.string.required(key) ?? ""
        return tokenizer.encode(start + text + end, allowSpecial: true)
      }
      let start = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
      let prompt = try ids("prompt", start, "<|im_end|>\n<|im_start|>assistant\n")
      return ExampleTree(
        index: number, prompt: prompt, completions: try ["chosen", "rejected"].map { try ids($0, "", "<|im_end|>") })
    }
  }

  /// The demo's model is small, so that each rounding shows.
  @Test func `results stay near those of fp32`() throws {
    let trees = Array(try Self.demoTrees().prefix(12))
    for factor in [Float(1), 100] {
      let stored = Self.withOutliers(try LanguageModel(ModelDirectory(Self.demoPath)), factor)
      let int8 = try stored.inInt8(ThreadPool(threads: 2)).required("int8")
      let layout = Self.layout(stored)
      let found = Difference(try Results(int8, trees, layout), from: try Results(stored, trees, layout))
      #expect(found.divergence < 2e-3 && found.leastCosine > 0.98 && found.medianCosine > 0.995 && found.signs == 1)
      // Something is rounded.
      #expect(found.ofToken > 1e-4 && found.ofToken < 0.06, "\(found.row("×\(factor)"))")
    }
  }

  /// SHOAL_INT8_QUALITY names what is measured: `demo`, `qwen2-0.5b`, `qwen2-1.5b` (random weights).
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SHOAL_INT8_QUALITY"] != nil)) func `table`() throws {
    print(
      "| model and form | Σ log-prob / token, largest | median | RMS per token | mean KL | gradient cosine, least | median "
        + "| signs |\n|---|---|---|---|---|---|---|---|")
    for name in (ProcessInfo.processInfo.environment["SHOAL_INT8_QUALITY"] ?? "").split(separator: ",") {
      guard name != "demo" else {
        try Self.printRows("demo", LanguageModel(ModelDirectory(Self.demoPath)), Self.demoTrees())
        continue
      }
      let c: ModelConfiguration = name == "qwen2-0.5b" ? .qwen2Half : .qwen2OneAndAHalf
      let trees = Self.trees(4, [150, 100, 80], vocabulary: c.vocabularySize)
      try Self.printRows(String(name), LanguageModel(randomWeightsOf: c), trees)
    }
  }
}
