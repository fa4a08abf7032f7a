// Reads a teacher's answers: plain lines, or the lines of batch interfaces.

package import Checkpoints
package import Corpus
import Tensors

/// A teacher's answer to the request about one document.
package struct TeacherAnswer: Sendable, Equatable {
  /// The document's id.
  package let id: String
  package let location: RecordLocation
  package var text: String
  /// Whether the teacher reached its token limit.
  package var isCutShort = false
  /// The reason when there is no text.
  package var failure: Rejection?

  package init(id: String, location: RecordLocation, text: String) {
    (self.id, self.location, self.text) = (id, location, text)
  }

  /// Reads the answers of some files in order. A response with several choices is several answers.
  ///
  /// Lines are `{"id": …, "text": …}`; OpenAI's, as vLLM writes them too: `{"custom_id": …, "response": {"body":
  /// {"choices": …}}}`; or Anthropic's: `{"custom_id": …, "result": {"type": …, "message": …}}`.
  /// - Throws: `FileError`, or `CorpusError` with every line in another format.
  package static func read(_ paths: [String]) throws -> [TeacherAnswer] {
    var answers: [TeacherAnswer] = []
    var mistakes: [RecordMistake] = []
    for path in try paths.flatMap({ try DataFiles.at($0) }) {
      let reader = try RecordReader(path: path)
      let read = parallelMap(count: reader.count) { index in
        Result { () throws(RecordMistake) in
          let value = try reader.record(index)
          do throws(RecordProblem) {
            return try Self.answers(in: value, at: reader.location(index))
          } catch {
            throw RecordMistake(location: reader.location(index), problem: error)
          }
        }
      }
      for result in read {
        switch result {
        case .success(let some): answers += some
        case .failure(let mistake): mistakes.append(mistake)
        }
      }
    }
    guard mistakes.isEmpty else { throw CorpusError.badRecords(mistakes) }
    return answers
  }

  /// The answers in one line.
  /// - Throws: `RecordProblem` when the line has none of the formats of `read`.
  package static func answers(
    in value: JSONValue, at location: RecordLocation
  ) throws(RecordProblem) -> [TeacherAnswer] {
    // In OpenAI's lines, "id" is the id of the response.
    let name = value["custom_id"] != nil ? "custom_id" : "id"
    guard let identifier = value[name] else { throw RecordProblem(field: name, "the field is missing") }
    guard let id = identifier.string ?? identifier.int.map({ "\($0)" }) else {
      throw RecordProblem(field: name, "expected a text or a whole number")
    }
    var answer = TeacherAnswer(id: id, location: location, text: "")
    if let text = value["text"] {
      guard let text = text.string else { throw RecordProblem(field: "text", "expected a text") }
      answer.text = text
      return [answer]
    }
    if let error = value["error"], !error.isNull { return [answer.failed(error["message"] ?? error)] }
    if let response = value["response"] { return try answer.openAI(response) }
    if let result = value["result"] { return [try answer.anthropic(result)] }
    throw RecordProblem("expected a field \"text\", \"response\" or \"result\"")
  }

  private func failed(_ value: JSONValue) -> TeacherAnswer {
    var answer = self
    answer.failure = Rejection(.noAnswer, String((value.string ?? value.serialized()).prefix(300)))
    return answer
  }

  // MARK: Batch interfaces

  private func openAI(_ response: JSONValue) throws(RecordProblem) -> [TeacherAnswer] {
    let body = response["body"] ?? response
    if let status = response["status_code"]?.int, status != 200 {
      return [failed(body["error"]?["message"] ?? .string("status \(status)"))]
    }
    if let error = body["error"], !error.isNull { return [failed(error["message"] ?? error)] }
    guard let choices = body["choices"]?.array, !choices.isEmpty else {
      throw RecordProblem(field: "response.body.choices", "expected a list of choices")
    }
    var answers: [TeacherAnswer] = []
    for choice in choices {
      guard let message = choice["message"], message.members != nil else {
        throw RecordProblem(field: "response.body.choices", "expected choices with a message")
      }
      var answer = self
      answer.isCutShort = choice["finish_reason"]?.string == "length"
      if let refusal = message["refusal"]?.string, !refusal.isEmpty {
        answer.failure = Rejection(.refusal, String(refusal.prefix(300)))
      } else if let text = message["content"].flatMap(Self.text) {
        answer.text = text
      } else {
        answer.failure = Rejection(.noAnswer, "the message has no content")
      }
      answers.append(answer)
    }
    return answers
  }

  private func anthropic(_ result: JSONValue) throws(RecordProblem) -> TeacherAnswer {
    let type = result["type"]?.string
    guard type == "succeeded" else {
      let error = result["error"]?["error"]?["message"] ?? result["error"]?["message"]
      return failed(error ?? .string(type ?? "no result"))
    }
    guard let text = result["message"]?["content"].flatMap(Self.text) else {
      throw RecordProblem(field: "result.message.content", "expected a text or a list of parts")
    }
    var answer = self
    answer.text = text
    answer.isCutShort = result["message"]?["stop_reason"]?.string == "max_tokens"
    if result["message"]?["stop_reason"]?.string == "refusal" { answer.failure = Rejection(.refusal) }
    return answer
  }

  /// The text of a message's content: the content itself, or its text parts.
  private static func text(_ content: JSONValue) -> String? {
    content.string ?? content.array.map { $0.compactMap { $0["text"]?.string }.joined() }
  }
}
