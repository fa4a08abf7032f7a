// What is asked of a run.

/// What the caller asks of a run.
package struct RunRequest: Sendable {
  package var configurationPath: String
  package var overrides: [String]
  package var threads: Int?
  package var resume: ResumeMode
  package var overwrites: Bool
  /// `--allow-mixed`: ranks of unlike builds or machines may work together.
  package var allowsMixed: Bool
  /// False where a run is only looked at.
  package var writes: Bool

  package init(
    configurationPath: String, overrides: [String] = [], threads: Int? = nil, resume: ResumeMode = .automatic,
    overwrites: Bool = false, allowsMixed: Bool = false, writes: Bool = true
  ) {
    (self.writes, self.allowsMixed, self.configurationPath) = (writes, allowsMixed, configurationPath)
    (self.overrides, self.threads, self.resume, self.overwrites) = (overrides, threads, resume, overwrites)
  }
}
