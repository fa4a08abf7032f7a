// `shoal config`: shows the resolved configuration.

import ArgumentParser
import Training

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Prints a configuration with every default, and where each value comes from.",
    discussion: """
      The output is a configuration file itself. With --from it is another trainer's configuration in axolotl's form; what
      could not be carried over is told, and stands in comments.

      Example: shoal config configs/qwen2-1.5b-dpo.yaml learning_rate=1e-4
      """)

  @Option(help: ArgumentHelp("The trainer that the file is for: llamafactory or trl.", valueName: "trainer"))
  var from: ForeignConfiguration.Trainer?

  @Argument(help: ArgumentHelp("The configuration file (YAML).", valueName: "config"))
  var configurationPath: String

  @Argument(help: ArgumentHelp("Overrides, as of `shoal train`.", valueName: "key=value"))
  var overrides: [String] = []

  func validate() throws {
    if from != nil, !overrides.isEmpty {
      throw ValidationError("--from takes no overrides: give them to the translation.")
    }
    for override in overrides where !override.contains("=") {
      throw ValidationError("\"\(override)\" is no override, expected key=value.")
    }
  }

  func run() throws {
    if let from {
      let foreign = try ForeignConfiguration(path: configurationPath, of: from)
      print(foreign.yaml, terminator: "")
      for notice in foreign.notices { Console.print(notice) }
      return
    }
    let listing = try ConfigurationListing(path: configurationPath, overrides: overrides)
    print(listing.text, terminator: "")
    for line in listing.configuration.notices.lines { Console.print(line) }
    let ignored = listing.configuration.ignoredKeys
    if !ignored.isEmpty { Console.print("accepted and without effect here: \(ignored.joined(separator: ", "))") }
  }
}

extension ForeignConfiguration.Trainer: ExpressibleByArgument {}
