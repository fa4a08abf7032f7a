import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing
import Training

@Suite struct ConfigurationOverrideTests {
  @Test func `a data set's template is the run's`() throws {
    let run = try minimal(with: "datasets.0.chat_template=qwen3")
    #expect(run.chatTemplate == .named(.qwen3))
    #expect(
      try minimal(with: "datasets.0.chat_template=chatml", "chat_template=chatml").chatTemplate == .named(.chatml))
    #expect(throws: ConfigurationError.self) {
      try minimal(with: "datasets.0.chat_template=qwen3", "chat_template=chatml")
    }
    let text = "{{ messages[0].content }}"
    let own = try minimal(with: "chat_template=jinja", "chat_template_jinja='\(text)'", "chat_template_kwargs.x=[1]")
    #expect(own.chatTemplate == .text(text) && own.chatTemplateVariables.map(\.name) == ["x"])
    #expect(try configuration(own.resolvedYAML) == own)
    #expect(try minimal(with: "chat_template_jinja=a.jinja").chatTemplate == .file("a.jinja"))
    #expect(try minimal(with: "chat_template_jinja=x/a.j2").chatTemplate == .file("x/a.j2"))
    for wrong in [
      ["chat_template=jinja"], ["chat_template=chatml", "chat_template_jinja=x"], ["chat_template=llama3"],
    ] {
      #expect(throws: ConfigurationError.self) {
        try wrong.count == 1 ? minimal(with: wrong[0]) : minimal(with: wrong[0], wrong[1])
      }
    }
  }

  @Test func `parts of data sets are read and written`() throws {
    let run = try minimal(
      with: "datasets.0.split='train[:10%]'", "datasets.0.shards=3", "datasets.0.shards_idx=2", "datasets.0.name=main",
      "datasets.0.ds_type=csv", "datasets.0.sample_by=line")
    let source = try #require(run.datasets.first)
    #expect(source.split == SplitSelection("train[:10%]") && source.shard == .init(count: 3, index: 2))
    #expect(source.subset == "main" && source.format == .csv && source.samples == .line)
    #expect(try configuration(run.resolvedYAML) == run)
  }

  @Test func `overrides reach into lists and mappings, in order`() throws {
    let run = try minimal(
      with: "datasets.0.path=x.jsonl", "datasets.1.data_files=[a, b]", "seed=1", "seed=2",
      "datasets.0.split=train", "default_system_message='a=b: c'")
    #expect(run.datasets.map(\.paths) == [["x.jsonl"], ["a", "b"]])
    #expect(run.datasets.first?.split == SplitSelection("train"))
    #expect(run.seed == 2 && run.defaultSystemMessage == "a=b: c")
    #expect(try minimal(with: "test_datasets.0.path=t.jsonl").testDatasets == [.init(paths: ["t.jsonl"])])
  }

  @Test func `an empty file takes everything from overrides`() throws {
    let overrides = [
      "base_model=m", "adapter=lora", "rl=dpo", "learning_rate=1e-4", "output_dir=o", "datasets.0.path=p",
    ]
    #expect(try configuration("", overrides: overrides).datasets == [.init(paths: ["p"])])
  }

  @Test func `a path that leads nowhere is refused`() {
    #expect(
      problems(minimalYAML, overrides: ["datasets.3.path=x"]) == [
        "override datasets.3.path=x: `datasets` is a list of 1: expected an index from 0 to 1, "
          + "found \"3\""
      ])
    #expect(
      problems(minimalYAML, overrides: ["learning_rate.x=1"])
        == ["override learning_rate.x=1: `learning_rate` is 5e-05 and has no part \"x\""])
    #expect(
      problems(minimalYAML, overrides: ["datasets.0.paht=1"])
        == ["override datasets.0.paht=1: unknown key `datasets.0.paht`; did you mean `path`?"])
    #expect(
      problems(minimalYAML, overrides: ["seed"])
        == ["override seed: expected key=value, for example seed=7"])
    #expect(problems(minimalYAML, overrides: ["=7"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["datasets.-1.path=x"]).count == 1)
    #expect(problems(minimalYAML, overrides: ["seed=[1"]).first?.hasPrefix("override seed=[1: not YAML") == true)
  }
}
