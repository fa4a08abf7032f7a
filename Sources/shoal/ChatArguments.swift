// How the chats of a command are rendered.

import ArgumentParser
import Checkpoints
import Corpus
import Model

struct ChatArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The template of chats: tokenizer_default (the model's own), chatml, qwen, qwen_25 or a Jinja file; by default "
        + "the one that the adapter was trained with.", valueName: "name"))
  var chatTemplate: String?

  @Option(help: ArgumentHelp("The system message of chats that have none; an empty one is none.", valueName: "text"))
  var system: String?

  @Option(
    help: ArgumentHelp(
      "What the template knows by name, for chats that say nothing of it: a JSON object such as "
        + "'{\"enable_thinking\": false}'.", valueName: "json"),
    transform: ChatArguments.variables)
  var chatTemplateKwargs: [JSONValue.Member]?

  var areGiven: Bool { chatTemplate != nil || system != nil || chatTemplateKwargs != nil }

  var choice: Prompting.Choice {
    Prompting.Choice(template: chatTemplate, system: system, variables: chatTemplateKwargs ?? [])
  }

  private static func variables(_ text: String) throws -> [JSONValue.Member] {
    guard let members = try? JSONValue.parse(Array(text.utf8)).members else {
      throw ValidationError("expected a JSON object.")
    }
    if let other = members.first(where: { !ChatTemplate.isVariable($0.name) }) {
      throw ValidationError("\"\(other.name)\" is no variable: a chat or the tokenizer brings it.")
    }
    return members
  }
}
