// How the chats of a command are rendered.

import ArgumentParser
import Model

struct ChatArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The template of chats: tokenizer_default (the model's own), chatml, qwen, qwen_25 or a Jinja file; by default "
        + "the one that the adapter was trained with.", valueName: "name"))
  var chatTemplate: String?

  @Option(help: ArgumentHelp("The system message of chats that have none; an empty one is none.", valueName: "text"))
  var system: String?

  var choice: Prompting.Choice { Prompting.Choice(template: chatTemplate, system: system) }
}
