import ArgumentParser

@main
struct Shoal: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shoal", abstract: "Preference-tunes Qwen2 on ordinary CPU machines.",
    version: "0.1.0",
    subcommands: [TokenizeCommand.self])
}
