// Turns judged answers into the files for a run of the recipe.

import Checkpoints
import Corpus
import Glibc
import Tensors

/// Preference pairs from a teacher's answers, and the rejected answers.
package struct PreferencePairs: Sendable {
  /// The files of `write`.
  package var fileNames: [String] {
    PairsDirectory.fileNames.filter { $0 != Self.referencesName || !references.isEmpty }
  }

  private static let referencesName = "references.jsonl"

  package let report: PreparationReport
  private let documents: SourceDocuments
  private let answers: [TeacherAnswer]
  private let prompt: PromptTemplate
  private let train: [PreferencePair]
  private let test: [PreferencePair]
  private let rejects: [RejectedAnswer]
  /// Summaries of long documents, by their ids.
  private let references: [String: String]

  /// - Parameters:
  ///   - references: summaries of long documents; what is no whole text is left out, of several the first counts.
  ///   - prompt: asks for a summary; the model is trained to answer it.
  ///   - testShare: the share of documents whose pairs are kept for testing.
  /// - Throws: `EmptyInput` when no answer is about one of the documents, or no reference.
  package init(
    documents: SourceDocuments, answers: [TeacherAnswer], references: [TeacherAnswer] = [], prompt: PromptTemplate,
    filter: PairFilter = PairFilter(),
    testShare: Double = 0.02
  ) throws(EmptyInput) {
    let places = Dictionary(uniqueKeysWithValues: documents.documents.enumerated().map { ($1.id, $0) })
    let duplicates = Set(documents.duplicates)
    guard answers.contains(where: { places[$0.id] != nil || duplicates.contains($0.id) }) else {
      throw EmptyInput.noAnswer(answers: answers.count)
    }
    self.references = try Self.texts(references, documents)
    let outcomes = parallelMap(count: answers.count) { number in
      let answer = answers[number]
      guard let place = places[answer.id] else {
        let reason: RejectReason = duplicates.contains(answer.id) ? .duplicateDocument : .unknownDocument
        return PairFilter.Outcome(judged: nil, similarity: nil, rejection: Rejection(reason))
      }
      let document = documents.documents[place]
      guard document.lengthClass == .pair else {
        let rejection = Rejection(.documentLength, "\(document.tokens) tokens")
        return PairFilter.Outcome(judged: nil, similarity: nil, rejection: rejection)
      }
      return filter.outcome(answer)
    }
    var (pairs, rejects): ([PreferencePair], [RejectedAnswer]) = ([], [])
    var known: Set<[String]> = []
    for (number, outcome) in outcomes.enumerated() {
      var rejection = outcome.rejection
      if rejection == nil, let judged = outcome.judged, let place = places[answers[number].id] {
        let pair = PreferencePair(document: place, judged: judged, similarity: outcome.similarity ?? 0)
        if known.insert([answers[number].id, pair.chosen, pair.rejected]).inserted {
          pairs.append(pair)
        } else {
          rejection = Rejection(.duplicatePair)
        }
      }
      if let rejection { rejects.append(RejectedAnswer(answer: number, rejection: rejection)) }
    }
    // Answers come in any order. The documents' order makes the files reproducible. The sort is stable.
    pairs.sort { $0.document < $1.document }
    test = pairs.filter { documents.documents[$0.document].draw < testShare }
    train = pairs.filter { documents.documents[$0.document].draw >= testShare }
    report = PreparationReport(
      documents: documents, filter: filter, testShare: testShare, answers: answers.map(\.id), outcomes: outcomes,
      rejects: rejects, train: train, test: test, references: self.references.count)
    (self.documents, self.answers, self.prompt, self.rejects) = (documents, answers, prompt, rejects)
  }

  private static func texts(
    _ answers: [TeacherAnswer], _ documents: SourceDocuments
  ) throws(EmptyInput) -> [String: String] {
    let known = Set(documents.documents.filter { $0.lengthClass == .heldOut }.map(\.id))
    var texts: [String: String] = [:]
    for answer in answers where known.contains(answer.id) && texts[answer.id] == nil {
      let (text, open) = AnswerText.body(of: answer.text)
      let isWhole = answer.failure == nil && !answer.isCutShort && open == nil && !AnswerText.isRefusal(text)
      if isWhole, !text.trimmed.isEmpty { texts[answer.id] = text.trimmed }
    }
    guard answers.isEmpty || !texts.isEmpty else { throw EmptyInput.noReference(answers: answers.count) }
    return texts
  }

  /// Writes all files into a directory. Only when all are written they get their names, the report last.
  /// - Throws: `WriteError`; `RecordMistake` when the documents have changed.
  package func write(to directory: String) throws {
    try createDirectory(directory)
    let files = AtomicFiles(permissions: .umask)
    var hashes: [JSONValue.Member] = []
    func write(_ name: String, _ body: (OutputFile) throws -> Void) throws {
      hashes.append(.init(name, .string(try files.file("\(directory)/\(name)", body))))
    }
    for (name, pairs) in [("train.jsonl", train), ("test.jsonl", test)] {
      try write(name) { file in for pair in pairs { try file.append(line: try row(pair)) } }
    }
    try write("heldout.jsonl") { file in
      for document in documents.documents where document.lengthClass == .heldOut {
        try file.append(
          line: [
            "id": .string(document.id), "text": .string(try documents.text(of: document)),
            "tokens": .integer(Int64(document.tokens)), "characters": .integer(Int64(document.characters)),
          ])
      }
    }
    if !references.isEmpty {
      try write(Self.referencesName) { file in
        for document in documents.documents {
          guard let reference = references[document.id] else { continue }
          let messages = prompt.messages(about: try documents.text(of: document)).map { message in
            ["role": .string(message.role), "content": .string(message.content)] as JSONValue
          }
          try file.append(
            line: [
              "id": .string(document.id), "messages": .array(messages), "reference": .string(reference),
            ])
        }
      }
    }
    try write("rejects.jsonl") { file in for reject in rejects { try file.append(line: row(reject)) } }
    try write(PairsDirectory.reportName) { file in
      try file.append(Array(PairsDirectory.text(report.json, files: hashes).utf8))
    }
    try files.commit()
  }

  /// Creates a directory and its parents.
  private func createDirectory(_ path: String) throws(FileError) {
    if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
    let code = errno
    guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
      throw FileError(path: path, action: "create the directory", code: code)
    }
    try createDirectory(String(path[..<slash]))
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw FileError(path: path, action: "create the directory", code: errno)
    }
  }

  /// A row of type `chatml.intel`. Fields that training does not read tell where the pair is from.
  private func row(_ pair: PreferencePair) throws(RecordMistake) -> JSONValue {
    let document = documents.documents[pair.document]
    let scores = pair.judged.scores
    return [
      "id": .string(document.id), "system": .string(prompt.system),
      "question": .string(prompt.question(about: try documents.text(of: document))), "chosen": .string(pair.chosen),
      "rejected": .string(pair.rejected), "chosen_summary": .integer(Int64(pair.judged.best + 1)),
      "chosen_score": .number(scores[pair.judged.best]), "rejected_score": .number(scores[1 - pair.judged.best]),
      "similarity": .number(rounded(pair.similarity)),
    ]
  }

  private func row(_ reject: RejectedAnswer) -> JSONValue {
    let answer = answers[reject.answer]
    return [
      "id": .string(answer.id), "file": .string(answer.location.file), "line": .integer(Int64(answer.location.line)),
      "reason": .string(reject.rejection.reason.rawValue), "detail": .string(reject.rejection.detail),
      "text": .string(answer.text),
    ]
  }
}
