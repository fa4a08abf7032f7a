// axolotl's instruction types: prompters.py, prompt_tokenizers.py and the strategies of version 0.19.

extension InstructionFormat {
  /// By the type's name.
  static let named: [String: InstructionFormat] = {
    var formats = fixed
    for (name, make) in styled {
      formats[name] = make(nil)
      for style in Style.allCases where name != "reflection" || style == .instruct || style == .chat {
        formats["\(name):\(style.rawValue)"] = make(style)
      }
    }
    return formats
  }()

  /// The style of a prompt, which follows the type's name and a colon.
  enum Style: String, CaseIterable { case instruct, chat, chatml, phi }

  private func styled(_ style: Style) -> Self {
    var format = self
    let (turn, bareTurn, system) =
      switch style {
      case .instruct:
        (
          "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n",
          "### Instruction:\n{instruction}\n\n### Response:\n", "{system}\n\n"
        )
      case .chat:
        ("USER: {instruction}\n{input}\nASSISTANT:", "USER: {instruction}\nASSISTANT:", "SYSTEM: {system}\n")
      case .chatml:
        (
          "<|im_start|>user\n{instruction}\n{input}<|im_end|>\n<|im_start|>assistant\n",
          "<|im_start|>user\n{instruction}<|im_end|>\n<|im_start|>assistant\n",
          "<|im_start|>system\n{system}<|im_end|>\n"
        )
      case .phi:
        (
          "<|user|>\n{instruction}<|end|>{input}<|assistant|>", "<|user|>\n{instruction}<|end|>\n<|assistant|>\n",
          "<|system|>\n{system}<|end|>\n"
        )
      }
    format.turn = TextFormat(own: turn)
    format.bareTurn = TextFormat(own: bareTurn)
    format.systemFormat = TextFormat(own: system)
    return format
  }

  private func saying(_ bare: String, withInput: String? = nil) -> Self {
    var format = self
    format.system = .texts(bare, withInput: withInput ?? bare)
    return format
  }

  private static func asking(_ instruction: String, input: Input = .none, output: String...) -> Self {
    InstructionFormat(
      instruction: TextFormat(own: instruction), input: input, outputs: output.map { TextFormat(own: $0) })
  }

  // MARK: Records

  private static let alpaca = asking("{instruction}", input: .field("input"), output: "{output}")
  private static let orca = asking("{question}", output: "{response}")
  private static let choice = asking("{question}", input: .choices("choices"), output: "{solution}", "{explanation}")

  // MARK: System texts

  private static let task = "Below is an instruction that describes a task"
  private static let context = ", paired with an input that provides further context"
  private static let chatTask = "Below is an instruction from a USER that describes a task"

  private func alpacaSystem() -> Self {
    let request = ". Write a response that appropriately completes the request."
    return saying(Self.task + request, withInput: Self.task + Self.context + request)
  }

  private func conciseSystem() -> Self {
    saying(
      "\(Self.chatTask). The ASSISTANT writes a response that appropriately and concisely completes the request.\n\n",
      withInput:
        "\(Self.chatTask)\(Self.context). The ASSISTANT writes a response that concisely and appropriately completes the "
        + "request.\n\n")
  }

  private func recordsSystem(_ field: String = "system") -> Self {
    var format = self
    format.system = .field(field, otherwise: nil)
    return format
  }

  // MARK: Types

  private static let styled: [String: @Sendable (Style?) -> Self] = [
    "alpaca": { alpaca.styled($0 ?? .instruct).alpacaSystem() },
    "gpteacher": {
      asking("{instruction}", input: .field("input"), output: "{response}").styled($0 ?? .instruct).alpacaSystem()
    },
    "oasst": { asking("{INSTRUCTION}", output: "{RESPONSE}").styled($0 ?? .instruct).alpacaSystem() },
    "jeopardy": {
      asking("{question}", input: .field("category"), output: "what is {answer}").styled($0 ?? .instruct).alpacaSystem()
    },
    "summarizetldr": { _ in
      var format = asking("{article}", output: "{summary}")
      format.turn = TextFormat(
        own: "USER: Summarize the following article as a TL;DR.\n{instruction}\n{input}\nASSISTANT:")
      format.bareTurn = TextFormat(own: "USER: Summarize the following article as a TL;DR.\n{instruction}\nASSISTANT:")
      return format
    },
    "explainchoice": {
      choice.styled($0 ?? .instruct)
        .saying("Choose the answer that best answers the question. Explain your reasoning.\n")
    },
    "concisechoice": { _ in
      var format = choice.styled(.chat)
        .saying("Choose the answer that best answers the question. Be concise in your response.\n\n")
      format.systemFormat = .field("system")
      return format
    },
    "reflection": reflection,
  ]

  private static func reflection(_ style: Style?) -> Self {
    // axolotl's chat style leaves the corrected answer out.
    var format = asking(
      "{instruction}", input: .field("input"),
      output: style == .chat
        ? "\nTHOUGHT: {output}\nASSISTANT REFLECTION: {reflection}\nASSISTANT:"
        : "### Thought:\n{output}\n\n### Agent Reflection:\n{reflection}\n\n### Final Response:\n{corrected}"
    ).styled(style ?? .instruct)
    format.systemFormat = .field("system")
    format.joinsOutput = true
    guard style != nil else { return format }
    let wish =
      ". You, the Assistant, should generate a response as if it were an abstract for an academic or technical paper on "
      + "the query along with a methodology. Then generate an Agent Reflection where you create a long form response as if "
      + "from subject matter expert, be verbose, diligent, and creative in your application of knowledge, apply it through "
      + "the lens of the response generated by the assistant. Look for flawed reasoning, faulty logic, or other mistakes in "
      + "the method. Finally, generate a final response and method for the user with the Assistant abstract and Reflection "
      + "analysis as augmentations to the generation\n\n"
    return format.saying(task + wish, withInput: task + context + wish)
  }

  private static let fixed: [String: Self] = {
    let qa = asking("{question}", output: "{answer}").styled(.chat).conciseSystem()
    let camel = asking("{message_1}", output: "{message_2}").styled(.chat).conciseSystem()
    let system = alpaca.recordsSystem()
    var openOrca = orca.recordsSystem("system_prompt")
    openOrca.bareTurn = TextFormat(own: "### Human:\n{instruction}\n### Assistant:\n")
    openOrca.systemFormat = TextFormat(own: "### System:\n{system}\n")
    var orcaMini = openOrca
    orcaMini.bareTurn = TextFormat(own: "### User:\n{instruction}\n\n### Response:\n")
    orcaMini.systemFormat = TextFormat(own: "### System:\n{system}\n\n")
    orcaMini.writesEmptySystem = true
    let contextual = "Use the following contextual information to concisely answer the question.\n"
    let missing =
      "The context provided does not contain any information about your inquiry. Therefore, I'm unable to answer your "
      + "question based on the given context."
    var creative = asking("{instruction}", output: "{revision}").saying(
      "Answer the following question in a comprehensive, in-depth, and creative way. Additionally your response should be "
        + "relevant, accurate, and free of any ambiguity.")
    creative.systemFormat = TextFormat(own: "{system}\n")
    creative.bareTurn = TextFormat(own: "USER: {instruction}\nASSISTANT:")
    var metharme = asking("{prompt}", output: "{generation}")
    metharme.endings = 3
    return [
      "alpaca_chat": alpaca.styled(.chat).alpacaSystem(), "alpaca_chat.load": alpaca.styled(.chat).alpacaSystem(),
      "alpaca_chat.load_concise": alpaca.styled(.chat).conciseSystem(), "alpaca_chat.load_qa": qa,
      "alpaca_chat.load_camel_ai": camel, "alpaca_chat.load_no_prompt": alpaca.styled(.chat),
      "alpaca_instruct": alpaca.styled(.instruct).alpacaSystem(),
      "alpaca_instruct.load": alpaca.styled(.instruct).alpacaSystem(),
      "alpaca_instruct.load_no_prompt": alpaca.styled(.instruct), "alpaca_w_system": system.styled(.chat),
      "alpaca_w_system.load": system.styled(.chat), "alpaca_w_system.load_chat": system.styled(.chat),
      "alpaca_w_system.load_instruct": system.styled(.instruct), "alpaca_w_system.load_open_orca": openOrca,
      "alpaca_w_system.load_open_orca_chatml": orca.recordsSystem("system_prompt").styled(.chatml),
      "orcamini": orcaMini, "orcamini.load": orcaMini,
      "context_qa": asking("{article}\n===\n{question}", output: "{answer}").styled(.chat).saying(contextual),
      "context_qa.load": asking("{article}\n===\n{question}", output: "{answer}").styled(.chat).saying(contextual),
      "context_qa.load_404": asking("{article}\n===\n{unanswerable_question}", output: missing).styled(.chat)
        .saying(contextual),
      "context_qa.load_v2": asking("Context: {context}\nQuestion: {question}\n", output: "Answer: {answer}"),
      "creative_acr.load_answer": creative, "metharme": metharme, "metharme.load": metharme,
    ]
  }()
}
