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
  private static func hashes(_ level: VectorLevel) -> [String] {
    let lines = Lines()
    kernel_checks(
      shoal_kernels_of(level.rawValue),
      { context, name, hash in
        guard let context, let name else { return }
        let digits = String(hash, radix: 16)
        let line = String(repeating: "0", count: 16 - digits.count) + digits + " " + String(cString: name)
        Unmanaged<Lines>.fromOpaque(context).takeUnretainedValue().all.append(line)
      }, Unmanaged.passUnretained(lines).toOpaque())
    return lines.all
  }

  /// If kernels were meant to change: raise `SHOAL_KERNELS_VERSION` and run this with SHOAL_WRITE_FIXTURES=1.
  @Test(arguments: VectorLevel.available) func `every level gives the committed bits`(level: VectorLevel) throws {
    let found = Self.hashes(level)
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
