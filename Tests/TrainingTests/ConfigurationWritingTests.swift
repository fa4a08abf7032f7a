import Foundation
import TestSupport
import Testing
import Training

@Suite struct ConfigurationWritingTests {
  @Test(arguments: [
    minimalYAML, fullYAML,
    minimalYAML + "val_set_size: 0.02\nwarmup_steps: 3\nevals_per_epoch: 2\nsaves_per_epoch: 0\n",
    minimalYAML + "val_set_size: 10\nlr_scheduler: linear\nlora_dropout: 1e-20\nnum_epochs: 3e20\n",
  ])
  func `the resolved configuration reads back equal`(yaml: String) throws {
    let run = try configuration(yaml)
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `the resolved configuration has every key once, a line each, in one order`() throws {
    func keys(_ yaml: String) throws -> [Substring] {
      try configuration(yaml).resolvedYAML.split(separator: "\n").map { $0.prefix { $0 != ":" } }
    }
    let full = try keys(fullYAML)
    #expect(try keys(minimalYAML) == full)
    let inputs = fullYAML.split(separator: "\n").filter { !$0.hasPrefix(" ") }
      .map { $0.prefix { $0 != ":" } }
    // What another key says already, or what has one legal value.
    let folded: Set<Substring> = [
      "micro_batch_size", "gradient_accumulation_steps", "lora_fan_in_fan_out",
    ]
    #expect(Set(full).isSuperset(of: Set(inputs).subtracting(folded)))
    #expect(Set(full).count == full.count)
  }

  @Test func `a listing reads back equal and names every value's source`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("run.yaml")
    try (minimalYAML + "micro_batch_size: 2\ngradient_accumulation_steps: 3\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    let listing = try ConfigurationListing(path: path, overrides: ["seed=7", "datasets.0.split=half", "dpo_beta=0.2"])
    #expect(try configuration(listing.text) == listing.configuration)
    #expect(listing.configuration.seed == 7)
    func source(_ key: String) -> String? {
      listing.text.split(separator: "\n").first { $0.hasPrefix("\(key):") }
        .flatMap { $0.split(separator: "# ").last.map(String.init) }
    }
    #expect(source("seed") == "override seed=7" && source("lora_r") == "default")
    #expect(source("learning_rate") == "file, line 4" && source("rl_beta") == "override dpo_beta=0.2 (dpo_beta)")
    #expect(source("batch_size") == "file, line 8 (micro_batch_size), file, line 9 (gradient_accumulation_steps)")
    #expect(source("datasets") == "file, line 6, override datasets.0.split=half")
  }

  @Test func `numbers are written for every YAML reader`() throws {
    let yaml = try configuration(minimalYAML).resolvedYAML
    #expect(yaml.contains("\nlearning_rate: 5.0e-05\n"))
    #expect(yaml.contains("\nlora_target_modules: [q_proj, v_proj]\n"))
    #expect(yaml.contains("\ndatasets: [{path: pairs.jsonl}]\n"))
    #expect(yaml.contains("\nmax_steps:\n"))
  }

  @Test func `names and empty values inside mappings read back equal`() throws {
    let run = try minimal(
      with: "chat_template_kwargs={a: null, b: [null, 1, 'null'], c: {'x y: z': '', 'no': null}}")
    #expect(try configuration(run.resolvedYAML) == run)
    #expect(
      run.resolvedYAML.contains(
        #"\nchat_template_kwargs: {a: null, b: [null, 1, "null"], c: {"x y: z": "", "no": null}}\n"#
          .replacing("\\n", with: "\n")))
    // A name that no template can use.
    #expect(throws: ConfigurationError.self) { try minimal(with: "chat_template_kwargs={messages: 1}") }
  }

  @Test func `only differences that change what is trained are listed`() throws {
    let before = try configuration(minimalYAML)
    #expect(before.differences(from: before).isEmpty)
    let now = try minimal(
      with: "learning_rate=1e-4", "max_steps=10", "logging_steps=5", "save_steps=3", "eval_steps=3",
      "save_total_limit=1", "output_dir=elsewhere", "resume_from_checkpoint=x",
      "auto_resume_from_checkpoints=false", "ref_log_probs_cache=y", "lora_r=4", "wandb_project=z")
    #expect(
      now.differences(from: before) == [
        "lora_r: 8 in the checkpoint, 4 now", "max_steps: nothing in the checkpoint, 10 now",
        "learning_rate: 5.0e-05 in the checkpoint, 0.0001 now",
      ])
  }

  @Test func `two spellings of one run do not differ`() throws {
    let one = try minimal(with: "micro_batch_size=2", "gradient_accumulation_steps=4", "dpo_beta=0.2")
    let other = try minimal(with: "batch_size=8", "rl_beta=0.2", "lora_target_modules=[v_proj, q_proj]")
    #expect(one.differences(from: other).isEmpty)
  }
}

@Suite struct DamagedConfigurationTests {
  @Test func `damaged files are refused or read, and what is read is written back equal`() throws {
    let letters = Array("abz019.-_:#[]{}&*!|>'\"%@`~ \n\t,?é\u{0}\u{2028}".unicodeScalars)
    var state: UInt64 = 1
    func draw(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    var accepted = 0
    for round in 0..<300 {
      var text = Array((round.isMultiple(of: 2) ? fullYAML : minimalYAML).unicodeScalars)
      for _ in 0...draw(2) {
        let place = draw(text.count)
        switch draw(3) {
        case 0: text.remove(at: place)
        case 1: text[place] = letters[draw(letters.count)]
        default: text.insert(letters[draw(letters.count)], at: place)
        }
      }
      var yaml = String.UnicodeScalarView()
      yaml.append(contentsOf: text)
      guard var run = try? configuration(String(yaml)) else { continue }
      accepted += 1
      run.ignoredKeys = []
      #expect(try configuration(run.resolvedYAML) == run, "\(String(yaml))")
    }
    #expect(accepted > 25 && accepted < 275)
  }
}
