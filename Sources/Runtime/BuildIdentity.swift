// Identifies the running program.

package import Collectives
import Tensors

/// The identity of the running program; ranks must agree on it.
package struct BuildIdentity: Sendable {
  package var version: String
  /// SHA-256 of the executable.
  package var binary: String

  package init(version: String, binary: String) { (self.version, self.binary) = (version, binary) }

  private static let architectureKey = "architecture"

  /// The differences that may change results. Kernels of one version give the same bits at every vector level, and
  /// programs for unlike architectures are never the same file.
  package static func telling(_ differences: [RankDifference]) -> [RankDifference] {
    guard differences.contains(where: { $0.key == architectureKey }) else { return differences }
    return differences.filter { ![architectureKey, "binary"].contains($0.key) }
  }

  /// Refuses ranks that differ. Collective.
  /// - Parameters:
  ///   - allowsMixed: whether different builds give only a notice; a different model is always refused.
  /// - Throws: `WorldError.ranksDiffer`, on all ranks alike.
  package func requireAlike(
    in world: any Communicator, modelHash: String, allowsMixed: Bool = false, notice: (String) -> Void = { _ in }
  ) throws {
    try WorldCheck.requireAlike(["base_model content": modelHash], in: world)
    let differences = Self.telling(
      try WorldCheck.differences(
        of: [
          "version": version, "kernels": "\(VectorLevel.kernelsVersion)", "binary": binary,
          Self.architectureKey: Machine.architecture,
        ], in: world))
    guard !differences.isEmpty else { return }
    guard allowsMixed else { throw WorldError.ranksDiffer(differences) }
    if world.rank == 0 {
      notice("the ranks are not alike (--allow-mixed): the result depends on who computes what")
      for difference in differences { notice(difference.description) }
    }
  }
}
