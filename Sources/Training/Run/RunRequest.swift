// The caller's request for a run.

/// The caller's request for a run.
package struct RunRequest: Sendable {
  package var configurationPath: String
  package var overrides: [String]
  package var threads: Int?
  package var resume: ResumeMode
  package var overwrites: Bool
  /// `--allow-mixed`: ranks with different builds or machines may work together.
  package var allowsMixed: Bool
  /// False for a run that is only inspected.
  package var writes: Bool
  /// `--debug`, which writes two more files.
  package var debugs: Bool

  package init(
    configurationPath: String, overrides: [String] = [], threads: Int? = nil, resume: ResumeMode = .automatic,
    overwrites: Bool = false, allowsMixed: Bool = false, writes: Bool = true,
    debugs: Bool = false
  ) {
    (self.writes, self.debugs, self.allowsMixed, self.configurationPath) = (
      writes, debugs, allowsMixed, configurationPath
    )
    (self.overrides, self.threads, self.resume, self.overwrites) = (overrides, threads, resume, overwrites)
  }
}
