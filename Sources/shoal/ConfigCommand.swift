// `shoal config`: shows the resolved configuration.

import ArgumentParser
import Training

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Prints a configuration with every default, and where each value comes from.",
    discussion: """
      The output is a configuration file itself.

      Example: shoal config configs/qwen2-1.5b-dpo.yaml learning_rate=1e-4
      """)

  @Argument(help: ArgumentHelp("The configuration file (YAML).", valueName: "config"))
  var configurationPath: String

  @Argument(help: ArgumentHelp("Overrides, as of `shoal train`.", valueName: "key=value"))
  var overrides: [String] = []

  func validate() throws {
    for override in overrides where !override.contains("=") {
      throw ValidationError("\"\(override)\" is no override, expected key=value.")
    }
  }

  func run() throws {
    let listing = try ConfigurationListing(path: configurationPath, overrides: overrides)
    print(listing.text, terminator: "")
    for line in listing.configuration.notices.lines { Console.print(line) }
    let ignored = listing.configuration.ignoredKeys
    if !ignored.isEmpty { Console.print("accepted and without effect here: \(ignored.joined(separator: ", "))") }
  }
}
