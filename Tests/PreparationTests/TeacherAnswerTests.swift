// Lines of answers, as users and batch interfaces write them.

import Checkpoints
import Corpus
import Preparation
import TestSupport
import Testing

@Suite struct TeacherAnswerTests {
  private func read(_ lines: String...) throws -> [TeacherAnswer] {
    let fixture = try PreparationFixture()
    return try TeacherAnswer.read([try fixture.write("answers.jsonl", lines.joined(separator: "\n"))])
  }

  @Test func `plain lines are read`() throws {
    let answers = try read(#"{"id": "a", "text": "x"}"#, #"{"id": 7, "text": ""}"#, #"{"custom_id": "c", "text": "y"}"#)
    #expect(answers.map(\.id) == ["a", "7", "c"] && answers.map(\.text) == ["x", "", "y"])
    #expect(answers.map(\.location.line) == [1, 2, 3])
  }

  @Test func `lines of OpenAI are read`() throws {
    let answers = try read(
      #"""
      {"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "x", "refusal": null}, "finish_reason": "stop"}, {"index": 1, "message": {"content": "y"}, "finish_reason": "length"}]}}, "error": null}
      """#,
      #"{"id": "1", "custom_id": "b", "response": {"status_code": 500, "body": {"error": {"message": "busy"}}}, "error": null}"#,
      #"{"id": "2", "custom_id": "c", "response": null, "error": {"code": "batch_expired", "message": "too late"}}"#,
      #"{"id": "3", "custom_id": "d", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": null}}]}}}"#,
      #"{"custom_id": "e", "response": {"body": {"choices": [{"message": {"content": [{"type": "text", "text": "z"}]}}]}}}"#,
      #"{"custom_id": "f", "response": {"body": {"choices": [{"message": {"content": null, "refusal": "No."}}]}}}"#)
    #expect(answers.map(\.id) == ["a", "a", "b", "c", "d", "e", "f"])
    #expect(answers.map(\.text) == ["x", "y", "", "", "", "z", ""])
    #expect(answers.map(\.isCutShort) == [false, true, false, false, false, false, false])
    #expect(answers.map(\.failure?.reason) == [nil, nil, .noAnswer, .noAnswer, .noAnswer, nil, .refusal])
    #expect(answers[2].failure?.detail == "busy" && answers[3].failure?.detail == "too late")
  }

  @Test func `lines of Anthropic are read`() throws {
    let answers = try read(
      #"{"custom_id": "a", "result": {"type": "succeeded", "message": {"content": [{"type": "thinking", "thinking": "m"}, {"type": "text", "text": "x"}], "stop_reason": "max_tokens"}}}"#,
      #"{"custom_id": "b", "result": {"type": "errored", "error": {"type": "error", "error": {"message": "bad"}}}}"#,
      #"{"custom_id": "c", "result": {"type": "expired"}}"#)
    #expect(answers[0].text == "x" && answers[0].isCutShort)
    #expect(answers[1].failure == Rejection(.noAnswer, "bad") && answers[2].failure == Rejection(.noAnswer, "expired"))
  }

  @Test func `every wrong line is named`() throws {
    let error = #expect(throws: CorpusError.self) {
      try read(
        #"{"id": "a", "text": "x"}"#, #"{"text": "x"}"#, #"{"id": "b"}"#, #"{"id": "c", "text": [1]}"#,
        #"{"id": "d", "response": {}}"#, "not JSON", #"{"id": "e", "result": {"type": "succeeded"}}"#)
    }
    guard case .badRecords(let mistakes, nil) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(mistakes.map(\.location.line) == [2, 3, 4, 5, 6, 7])
  }
}
