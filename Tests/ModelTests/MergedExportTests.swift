import Checkpoints
import Foundation
import Model
import Tensors
import TestSupport
import Testing

@Suite struct MergedExportTests {
  /// A copy of the fixture's base, in bf16, whose final norm has one large entry.
  private static func base(entry: Float, in scratch: TemporaryDirectory) throws -> ModelDirectory {
    let path = scratch.path("model")
    try FileManager.default.copyItem(atPath: Repository.fixture("checkpoints/base"), toPath: path)
    let weights = "\(path)/model.safetensors"
    let tensor = try #require(try SafetensorsFile(path: weights).tensors[WeightName.finalNorm.hubName])
    var bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
    withUnsafeBytes(of: UInt16(entry.bitPattern >> 16).littleEndian) {
      bytes.replaceSubrange(tensor.range.prefix(2), with: $0)
    }
    try bytes.write(to: URL(fileURLWithPath: weights))
    return try ModelDirectory(path)
  }

  @Test(arguments: [(Float(65280), true), (65536, false), (-1e30, false), (.infinity, true)])
  func `a number that f16 cannot hold is refused`(entry: Float, isWritten: Bool) throws {
    let scratch = try TemporaryDirectory()
    let directory = try Self.base(entry: entry, in: scratch)
    let export = try MergedExport(directory, nil, type: .float16, pool: ThreadPool(threads: 1))
    let target = scratch.path("merged")
    func write() throws {
      try export.write(InferenceFiles(adapter: nil, base: directory.path), to: target, shardBytes: 1 << 30)
    }
    if isWritten { return try write() }
    let error = #expect(throws: HalfOverflow.self, performing: write)
    #expect(error?.weight == "model.norm.weight" && error?.value == Float(bitPattern: entry.bitPattern & 0xFFFF_0000))
    #expect(!FileManager.default.fileExists(atPath: target))
  }
}
