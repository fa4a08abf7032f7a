// A line of samples_TASK.jsonl, as lm-eval writes it.

import Checkpoints

/// What lm-eval hashes of a document.
struct SampleHashes: Sendable {
  let document, prompt, target: String

  init(_ item: TaskItem) {
    func hash(_ text: String) -> String { SHA256.text(of: Array(text.utf8)) }
    document = hash(item.document.value.serialized(indent: 2, .python))
    prompt = hash(item.requests.first?.texts.first ?? "")
    target = hash(PythonText.string(item.target))
  }
}

extension TaskRequest {
  /// The texts of a request: context and continuation, a text, or a prompt.
  var texts: [String] {
    switch self {
    case .likelihood(let context, let continuation): [context, continuation]
    case .rolling(let text): [text]
    case .answer(let prompt): [prompt]
    case .tokens(_, _, let shown): shown
    }
  }
}

enum TaskSample {
  static func line(
    number: Int, _ item: TaskItem, _ hashes: SampleHashes, _ responses: [TaskResponse], _ filtered: FilteredResponses,
    filter: String, settings: [JSONValue.Member]?, _ metrics: [DocumentMetric]
  ) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("doc_id", .integer(Int64(number))), .init("doc", item.document.value),
      .init("target", .string(PythonText.string(item.target))),
      .init("arguments", arguments(item.requests, settings)),
      .init("resps", .array(zip(item.requests, responses).map { .array(shown($1, to: $0)) })),
      .init("filtered_resps", shown(filtered, to: item.requests)),
      .init("filter", .string(filter)), .init("metrics", .array(metrics.map { .string($0.name) })),
      .init("doc_hash", .string(hashes.document)), .init("prompt_hash", .string(hashes.prompt)),
      .init("target_hash", .string(hashes.target)),
    ]
    members += metrics.map { .init($0.name, $0.value.json) }
    return .object(members)
  }

  private static func arguments(_ requests: [TaskRequest], _ settings: [JSONValue.Member]?) -> JSONValue {
    .object(
      requests.enumerated().map { place, request in
        var values = request.texts.map(JSONValue.string)
        if case .answer = request, let settings { values.append(.object(settings)) }
        let members = values.enumerated().map { JSONValue.Member("arg_\($0)", $1) }
        return .init("gen_args_\(place)", .object(members))
      })
  }

  /// A log-prob, and whether the text is the most probable one; of a whole text the log-prob alone.
  private static func shown(_ likelihood: TextLikelihood, to request: TaskRequest) -> JSONValue {
    let sum = JSONValue.string(PythonText.number(likelihood.sum))
    if case .rolling = request { return sum }
    return [sum, .string(likelihood.isGreedy ? "True" : "False")]
  }

  private static func shown(_ response: TaskResponse, to request: TaskRequest) -> [JSONValue] {
    switch response {
    case .likelihood(let likelihood): [shown(likelihood, to: request)]
    case .answers(let answers): answers.map(JSONValue.string)
    }
  }

  private static func shown(_ filtered: FilteredResponses, to requests: [TaskRequest]) -> JSONValue {
    switch filtered {
    case .likelihoods(let likelihoods): .array(zip(likelihoods, requests).map { shown($0, to: $1) })
    case .texts(let responses): .array(responses.map(texts))
    }
  }

  /// Everything in it as texts.
  private static func texts(_ value: JSONValue) -> JSONValue {
    value.array.map { .array($0.map(texts)) } ?? .string(PythonText.string(value))
  }
}
