// Identifies the running program.

package import Collectives
import Tensors

/// The identity of the running program; ranks must agree on it.
package struct BuildIdentity: Sendable {
  package var version: String
  /// SHA-256 of the executable.
  package var binary: String

  package init(version: String, binary: String) { (self.version, self.binary) = (version, binary) }

  /// Refuses ranks that differ. Collective.
  /// - Parameters:
  ///   - allowsMixed: whether different builds and machines give only a notice; a different model is always refused.
  /// - Throws: `WorldError.ranksDiffer`, on all ranks alike.
  package func requireAlike(
    in world: any Communicator, modelHash: String, allowsMixed: Bool = false, notice: (String) -> Void = { _ in }
  ) throws {
    try WorldCheck.requireAlike(["base_model content": modelHash], in: world)
    let machine = [
      "version": version, "binary": binary, "vector level": Machine.vectorLevel, "BLAS core": Machine.blasCore,
    ]
    let differences = try WorldCheck.differences(of: machine, in: world)
    guard !differences.isEmpty else { return }
    guard allowsMixed else { throw WorldError.ranksDiffer(differences) }
    if world.rank == 0 {
      notice("the ranks are not alike (--allow-mixed): the result depends on who computes what")
      for difference in differences { notice(difference.description) }
    }
  }
}
