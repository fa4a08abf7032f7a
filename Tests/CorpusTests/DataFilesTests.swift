import Checkpoints
import Corpus
import Foundation
import TestSupport
import Testing

struct DataFilesTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func write(_ names: String..., text: String = "{}\n") throws {
    for name in names {
      let folder = (name as NSString).deletingLastPathComponent
      try FileManager.default.createDirectory(
        atPath: directory.path + "/" + folder, withIntermediateDirectories: true)
      try directory.write(name, text)
    }
  }

  private func files(_ path: String = "", split: String? = nil, subset: String? = nil) throws -> [String] {
    try DataFiles.at(path.isEmpty ? directory.path : directory.path + "/" + path, split: split, subset: subset)
      .map { String($0.dropFirst(directory.path.count + 1)) }
  }

  private func refusal(_ path: String = "", split: String? = nil, subset: String? = nil) -> String {
    let error = #expect(throws: CorpusError.self) { try files(path, split: split, subset: subset) }
    return error?.description ?? ""
  }

  @Test func `a directory stands for its files by name`() throws {
    #expect(refusal().contains("holds no .jsonl"))
    try write("b.jsonl", "a.json", "B.jsonl.zst", ".hidden.jsonl", "README.md", ".cache/x.jsonl", "dataset_infos.json")
    #expect(try files() == ["B.jsonl.zst", "a.json", "b.jsonl"])
    #expect(try files("a.json") == ["a.json"])
    #expect(refusal("none.jsonl").contains("no such file or directory"))
    let address = #expect(throws: CorpusError.self) { try DataFiles.at("https://example.com/a.jsonl") }
    #expect(address?.description.contains("addresses are not read") == true)
  }

  @Test func `what the hub's tools leave is found`() throws {
    try write("README.md", "data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test.csv")
    #expect(try files() == ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl"])
    #expect(try files(split: "test") == ["data/test.csv"])
  }

  @Test func `a part that is missing between others is told`() throws {
    try write("data/train-00000-of-00003.jsonl", "data/train-00002-of-00003.jsonl", "data/test-00000-of-00001.jsonl")
    #expect(refusal().contains("data/train-00001-of-00003 is missing"))
    #expect(try files(split: "test").count == 1)
    #expect(try files("data/train-*.jsonl").count == 2, "a pattern takes what there is")
    try write("parts/part-00000-of-00002.jsonl")
    #expect(refusal("parts").contains("part-00001-of-00002 is missing"))
    try write("data/train-00001-of-00003.jsonl")
    #expect(try files().count == 3)
    try write("old/train-00000-of-00002-1f2e.jsonl", "old/train-00001-of-00002-9ab0.jsonl")
    #expect(try files("old").count == 2)
  }

  @Test func `a README says which files are of which subset and split`() throws {
    try write("sft/train.jsonl", "sft/more.jsonl", "rl/all.jsonl", "rl/held.jsonl", "notes.jsonl")
    try directory.write(
      "README.md",
      """
      ---
      license: mit
      dataset_info: [{config_name: sft, features: &id001 [{name: prompt, dtype: string}]}, {features: *id001}]
      configs:
      - config_name: sft
        default: true
        data_files:
        - split: train
          path: &sft [sft/train.jsonl, "sft/m*.jsonl"]
      - config_name: rl
        data_dir: rl
        data_files:
        - {split: prefs, path: all.jsonl}
        - {split: test, path: ./held.jsonl}
        - {split: lost, path: lost-*.jsonl}
      - config_name: again
        data_files: *sft
      - config_name: plain
        data_files: notes.jsonl
      - config_name: directory
        data_dir: rl
      ---
      # The data set
      """)
    #expect(try files() == ["sft/train.jsonl", "sft/more.jsonl"])
    #expect(try files(subset: "sft") == files() && files(subset: "again") == files())
    #expect(try files(split: "prefs", subset: "rl") == ["rl/all.jsonl"])
    #expect(try files(split: "test", subset: "rl") == ["rl/held.jsonl"])
    #expect(try files(subset: "plain") == ["notes.jsonl"])
    #expect(try files(subset: "directory") == ["rl/all.jsonl", "rl/held.jsonl"])
    #expect(refusal(split: "test").contains("lists the splits train of sft"))
    #expect(refusal(subset: "rl").contains("lists the splits lost, prefs, test of rl"))
    #expect(refusal(subset: "none").contains("lists no subset \"none\" (name), but: again, directory, plain, rl, sft"))
    #expect(refusal(split: "lost", subset: "rl").contains("is lost-*.jsonl, and no such file is here"))
    // Nothing outside of the data set is read.
    try directory.write("README.md", "---\nconfigs: [{config_name: a, data_dir: ..}]\n---\n")
    #expect(refusal().contains("no file is of split"))
    try directory.write("README.md", "---\nconfigs: [{config_name: a}, {config_name: b}]\n---\n")
    #expect(refusal().contains("lists several subsets: a, b"))
    try directory.write("README.md", "---\nconfigs: [\n---\n")
    #expect(refusal().contains("README.md: line 3: not YAML"))
    try directory.write("README.md", "# No header\n---\nconfigs: [\n---\n")
    #expect(try files().count == 5)
  }

  @Test func `files belong to splits`() throws {
    try write(
      "train-00000.jsonl", "more.jsonl", "test.jsonl", "validation_1.json", "dev.json", "latest.jsonl", "Eval.jsonl.gz")
    #expect(try files() == ["latest.jsonl", "more.jsonl", "train-00000.jsonl"])
    #expect(try files(split: "test") == ["Eval.jsonl.gz", "test.jsonl"])
    #expect(try files(split: "validation") == ["dev.json", "validation_1.json"])
    #expect(refusal(split: "extra").contains("there is only: test, train, validation"))
    #expect(try files("test.jsonl") == ["test.jsonl"])
    #expect(try files("test.jsonl", split: "test") == ["test.jsonl"])
    #expect(refusal("test.jsonl", split: "validation").contains("only train"))
  }

  @Test func `splits with longer names are told apart`() throws {
    let all = ["test_prefs", "train_gen", "train_prefs", "train_sft"].map { "\($0)-00000-of-00001.jsonl" }
    for name in all { try write(name) }
    #expect(try files(split: "train_prefs") == ["train_prefs-00000-of-00001.jsonl"])
    #expect(try files(split: "test") == ["test_prefs-00000-of-00001.jsonl"])
    #expect(refusal().contains("several splits: train_gen, train_prefs, train_sft; name one of them with split"))
  }

  @Test func `parts without a split's name are one set`() throws {
    try write("data/part-00000-of-00002.jsonl", "data/part-00001-of-00002.jsonl")
    #expect(try files().count == 2)
  }

  @Test func `subsets are told apart`() throws {
    try write("main/train-00000-of-00001.jsonl", "main/test.jsonl", "socratic/train-00000-of-00001.jsonl")
    #expect(refusal().contains("several subsets: main, socratic; name one of them with name"))
    #expect(try files(subset: "main") == ["main/train-00000-of-00001.jsonl"])
    #expect(refusal(subset: "other").contains("there are: main, socratic"))
    try write("train/x.jsonl", "test/x.jsonl")
    #expect(try files(split: "test", subset: nil).contains("test/x.jsonl"))
  }

  @Test func `one split in two formats is refused`() throws {
    try write("train.jsonl", "train.csv")
    #expect(refusal().contains("several formats"))
  }

  @Test func `patterns name files`() throws {
    try write("data/a-0.jsonl", "data/a-1.jsonl", "data/b.jsonl", "data/deep/er/a-2.jsonl", "data/notes.md")
    #expect(try files("data/*.jsonl") == ["data/a-0.jsonl", "data/a-1.jsonl", "data/b.jsonl"])
    #expect(try files("data/a-[01].jsonl") == ["data/a-0.jsonl", "data/a-1.jsonl"])
    #expect(try files("**/a-?.jsonl") == ["data/a-0.jsonl", "data/a-1.jsonl", "data/deep/er/a-2.jsonl"])
    #expect(refusal("data/*.csv").contains("no file matches"))
    #expect(refusal("data/*.md").contains("such as notes.md"))
  }

  @Test func `a name of the hub says how to have it`() {
    for path in ["owner/some-dataset", "owner/some-dataset/data/*.jsonl"] {
      let error = #expect(throws: HubRefusal.self) { try DataFiles.at(path) }
      #expect(error?.description.contains("shoal fetch owner/some-dataset --dataset") == true)
    }
  }

  @Test func `a path may name a data set of the hub, and a place in it`() throws {
    #expect(try #require(HubDataset("owner/name")).globs == [])
    #expect(try #require(HubDataset("owner/name/")).place == nil)
    let file = try #require(HubDataset("owner/name/data/a.parquet"))
    #expect((file.name.text, file.place) == ("owner/name", "data/a.parquet"))
    #expect(file.globs == ["data/a.parquet", "data/a.parquet/*"])
    #expect(try #require(HubDataset("owner/name/**/a-*.jsonl")).globs.contains("a-*.jsonl"))
    for path in [
      "pairs.jsonl", "data/pairs.jsonl", "data/pairs.txt.gz", "data/pairs.arrow", "./a/b", "/a/b", "data/*.jsonl",
      "a b",
      directory.path,
    ] { #expect(HubDataset(path) == nil, "\(path)") }
    for path in ["data/pairs.jsonl", "./no/such/directory"] {
      let error = #expect(throws: CorpusError.self) { try DataFiles.at(path) }
      #expect(error?.description.contains("no such file or directory") == true)
    }
  }

  // MARK: Parts

  private func taken(_ split: String, shard: Dataset.Source.Shard? = nil, seed: UInt64 = 1) throws -> [String] {
    let texts = (0..<7).map { "{\"prompt\":\"Number\",\"completion\":\" \($0)\"}\n" }
    try write("t/train-0.jsonl", text: texts[..<4].joined())
    try write("t/train-1.jsonl", text: texts[4...].joined())
    try write("t/test.jsonl", text: "{\"prompt\":\"Number\",\"completion\":\" test\"}\n")
    var source = Dataset.Source(paths: [directory.path + "/t"])
    source.split = try #require(SplitSelection(split))
    source.shard = shard
    let encoder = try Fixtures.encoder()
    let dataset = try Dataset(
      sources: [source], encoder: encoder, limit: LengthLimit(sequenceLength: 64), seed: seed)
    #expect(dataset.all.map(\.index) == Array(0..<dataset.examples.count))
    let tokenizer = try Fixtures.tokenizer()
    return dataset.all.map { String(tokenizer.decode($0.completions[0].dropLast()).dropFirst()) }
  }

  @Test(arguments: [
    ("train", "0123456"), ("train[:3]", "012"), ("train[3:5]", "34"), ("train[-2:]", "56"), ("train[:-5]", "01"),
    ("train[:50%]", "0123"), ("train[50%:]", "456"), ("train[10%:30%]", "1"), ("train[:1]+train[6:]", "06"),
    ("train[4:]+test", "456test"),
  ]) func `parts of splits are taken`(split: String, expected: String) throws {
    #expect(try taken(split).joined() == expected)
  }

  @Test func `parts outside of a split are refused`() throws {
    for split in ["train[:8]", "train[:101%]", "train[-8:]", "train[-9223372036854775808:]"] {
      let error = #expect(throws: CorpusError.self) { try taken(split) }
      #expect(error?.description.contains("outside of the 7") == true)
    }
    for text in ["train[1]", "train[", "train[:5", "train[a:b]", "", "train[1:2]x", "train[99999999999999999999:]"] {
      #expect(SplitSelection(text) == nil)
    }
  }

  @Test func `shards are equal parts that the seed selects`() throws {
    let shards = try (0..<3).map { try taken("train", shard: .init(count: 3, index: $0)) }
    #expect(shards.map(\.count) == [3, 2, 2])
    #expect(shards.joined().sorted().joined() == "0123456")
    #expect(try taken("train", shard: .init(count: 3, index: 0)) == shards[0])
    #expect(try (2..<9).contains { try taken("train", shard: .init(count: 3, index: 0), seed: $0) != shards[0] })
    #expect(throws: CorpusError.self) { try taken("train", shard: .init(count: 8, index: 0)) }
    let parts = try (0..<2).map { try taken("train[1:3]", shard: .init(count: 2, index: $0)) }
    #expect(parts.joined().sorted().joined() == "12", "shards of a part of a file")
  }

  /// pyarrow's file of 300 rows in groups of 70, of which the first is damaged.
  @Test func `of a parquet file only the part that is taken is read`() throws {
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Repository.fixture("parquet/many.parquet"))))
    for place in 4..<200 { bytes[place] = 0xFF }
    let path = try directory.write("many.parquet", bytes)
    func texts(_ split: String) throws -> [String] {
      var source = Dataset.Source(paths: [path], type: .completion)
      source.split = try #require(SplitSelection(split))
      let dataset = try Dataset(sources: [source], encoder: Fixtures.encoder(), limit: LengthLimit(sequenceLength: 64))
      let tokenizer = try Fixtures.tokenizer()
      return dataset.all.map { tokenizer.decode($0.completions[0].dropLast()) }
    }
    #expect(throws: (any Error).self) { try texts("train[69:]") }
    // i * i % 6 chooses the words, i // 7 follows.
    #expect(try texts("train[70:75]").count == 5)
    // The last text is one42; its first token is predicted by none.
    #expect(try texts("train[-1:]") == ["42"])
  }
}
