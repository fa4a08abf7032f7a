// Every kernel at every level of this processor gives the committed bits. `make test-arm` does the same for Arm.

import CShoal
import Foundation
import KernelChecks
import Tensors
import TestSupport
import Testing

@Suite struct KernelBitsTests {
  private static let file = "\(Repository.path)/Tests/Fixtures/kernel_bits.txt"

  private final class Lines { var all = ["version \(VectorLevel.kernelsVersion)"] }

  /// The version, and one line per kernel: the hash of what it computes from fixed inputs, its name.
  private static func hashes(_ table: UnsafePointer<shoal_kernels>) -> [String] {
    let lines = Lines()
    kernel_checks(
      table,
      { context, name, hash in
        guard let context, let name else { return }
        let digits = String(hash, radix: 16)
        let line = String(repeating: "0", count: 16 - digits.count) + digits + " " + String(cString: name)
        Unmanaged<Lines>.fromOpaque(context).takeUnretainedValue().all.append(line)
      }, Unmanaged.passUnretained(lines).toOpaque())
    return lines.all
  }

  /// If kernels were meant to change: raise `SHOAL_KERNELS_VERSION` and run this with SHOAL_WRITE_FIXTURES=1.
  @Test(arguments: 0..<Int32(SHOAL_TABLES)) func `every table gives the committed bits`(index: Int32) throws {
    var level: Int32 = 0
    // The levels of other processors have no table here.
    guard let table = shoal_kernels_at(index, &level) else { return }
    let found = Self.hashes(table)
    if ProcessInfo.processInfo.environment["SHOAL_WRITE_FIXTURES"] != nil {
      try (found.joined(separator: "\n") + "\n").write(toFile: Self.file, atomically: true, encoding: .utf8)
    }
    let committed = try String(contentsOfFile: Self.file, encoding: .utf8).split(separator: "\n").map(String.init)
    #expect(found == committed)
  }

  @Test func `a level is chosen by its name`() throws {
    #expect(try VectorLevel.chosen(by: nil) == VectorLevel.available.last)
    #expect(try VectorLevel.chosen(by: "plain") == .plain)
    let unknown = #expect(throws: VectorLevelError.self) { try VectorLevel.chosen(by: "avx1024") }
    #expect(unknown?.description.contains("\"avx1024\"; expected one of plain, ") == true)
    let lacking = VectorLevel.allCases.first { !VectorLevel.available.contains($0) }
    let absent = #expect(throws: VectorLevelError.self) { try VectorLevel.chosen(by: lacking?.key) }
    #expect(absent?.description.contains("this processor has plain, ") == true)
  }
}
