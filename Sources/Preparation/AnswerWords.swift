// The words that identify the parts of a teacher's answer. The prompt asks for English headings, but teachers often
// answer in the document's language. So the headings of a few more languages are known: German, French, Spanish,
// Russian and Chinese. To add a language, add its words here and a few cases to the tests.

/// The part that a heading starts.
enum AnswerHeading: Sendable, Equatable {
  case criterion(Criterion)
  case total
  /// The section with the scores. It is a heading only if scores or nothing follows.
  case scores
  case explanation
  case verdict
  /// A word that can also start a sentence. It is a verdict only if it names a summary.
  case choice
  /// Ends a summary and carries no information, such as a word count.
  case aside
}

/// The criteria by which summaries are scored.
enum Criterion: Int, Sendable, CaseIterable {
  case coherence, consistency, relevance, fluency

  /// The highest score; the lowest is 1.
  var maximum: Double { self == .fluency ? 3 : 5 }

  /// The possible totals of four scores.
  static let totals = 4.0...18.0
}

/// Words in lower case, found by their first letter, longest first.
struct WordTable<Meaning: Sendable>: Sendable {
  private var entries: [Unicode.Scalar: [(word: [Unicode.Scalar], meaning: Meaning)]] = [:]

  init(_ meanings: [(Meaning, [String])]) {
    for (meaning, words) in meanings {
      for word in words {
        let scalars = Array(word.unicodeScalars)
        entries[scalars[0], default: []].append((scalars, meaning))
      }
    }
    for key in entries.keys { entries[key]?.sort { $0.word.count > $1.word.count } }
  }

  /// Moves the cursor past the longest word at its position.
  func take(_ cursor: inout LineCursor) -> Meaning? {
    guard let first = cursor.current, let candidates = entries[first] else { return nil }
    for candidate in candidates where cursor.take(word: candidate.word) { return candidate.meaning }
    return nil
  }
}

enum AnswerWords {
  static let headings = WordTable<AnswerHeading>([
    (.criterion(.coherence), ["coherence", "kohärenz", "cohérence", "coherencia", "связность", "连贯性", "連貫性"]),
    (
      .criterion(.consistency),
      [
        "consistency", "factual consistency", "konsistenz", "faktentreue", "consistance", "cohérence factuelle",
        "consistencia", "согласованность", "достоверность", "一致性",
      ]
    ),
    (
      .criterion(.relevance),
      ["relevance", "relevancy", "relevanz", "pertinence", "relevancia", "релевантность", "相关性", "相關性"]
    ),
    (
      .criterion(.fluency),
      [
        "fluency", "flüssigkeit", "sprachfluss", "fluidité", "fluidez", "беглость", "плавность", "流畅性", "流畅度", "流暢性",
      ]
    ),
    (
      .total,
      [
        "total score", "total scores", "overall score", "final score", "sum of scores", "score", "total",
        "total rating", "overall rating", "gesamtpunktzahl", "gesamtbewertung", "gesamtwertung", "punktzahl",
        "score total", "note totale", "puntuación total", "puntuación", "puntaje total", "puntaje", "общая оценка",
        "общий балл", "итоговая оценка", "итоговый балл", "сумма баллов", "итого", "总分", "总得分", "总评分", "得分", "總分",
      ]
    ),
    (
      .scores,
      [
        "scores", "rating", "ratings", "evaluation", "assessment", "bewertung", "bewertungen", "notes", "évaluation",
        "puntuaciones", "evaluación", "оценка", "оценки", "评分", "分数", "評分",
      ]
    ),
    (
      .explanation,
      [
        "explanation", "explanations", "rationale", "reasoning", "justification", "erklärung", "erläuterung",
        "begründung", "explication", "explications", "explicación", "justificación", "объяснение", "пояснение",
        "обоснование", "解释", "解釋",
      ]
    ),
    (
      .verdict,
      [
        "best summary", "better summary", "preferred summary", "chosen summary", "winning summary",
        "beste zusammenfassung", "bessere zusammenfassung", "meilleur résumé", "mejor resumen", "лучшее резюме",
        "лучшее краткое изложение", "лучшая сводка", "лучшее саммари", "最佳摘要", "最好的摘要", "更好的摘要", "较好的摘要",
        "最佳总结", "更好的总结",
      ]
    ),
    (
      .choice,
      [
        "best one", "better one", "best overall", "overall best", "best", "better", "winner", "verdict",
        "final verdict", "preference",
      ]
    ),
    (.aside, ["word count", "wortanzahl", "nombre de mots", "número de palabras", "количество слов", "字数"]),
  ])

  /// Names for a summary.
  static let summaries = WordTable<Void>([
    (
      (),
      [
        "summary", "zusammenfassung", "résumé", "resume", "resumen", "резюме", "краткое изложение",
        "краткое содержание", "саммари", "сводка", "摘要", "总结", "概要", "總結",
      ]
    )
  ])

  /// The number of a summary, after its name.
  static let numbers = WordTable<Int>([
    (1, ["1", "one", "eins", "один", "一", "①"]), (2, ["2", "two", "zwei", "два", "二", "②"]),
  ])

  /// The number of a summary, before its name.
  static let ordinals = WordTable<Int>([
    (
      1,
      [
        "first", "1st", "erste", "premier", "primer", "primero", "первое", "первая", "первый", "第一个", "第一份",
        "第一篇", "第1个", "第1份",
      ]
    ),
    (
      2,
      [
        "second", "2nd", "zweite", "deuxième", "second", "segundo", "второе", "вторая", "второй", "第二个", "第二份",
        "第二篇", "第2个", "第2份",
      ]
    ),
  ])

  /// Words that may be between a summary's name and its number.
  static let numberSigns = WordTable<Void>([((), ["#", "no.", "nr.", "number", "nummer", "№", "n°", "номер"])])

  static let articles = WordTable<Void>([((), ["the", "die", "das", "le", "la", "el"])])

  /// Words that may be between a heading's word and its colon.
  static let fillers = WordTable<Void>([
    (
      (),
      [
        "for", "of", "the", "is", "score", "scores", "für", "von", "der", "pour", "du", "de", "para", "del", "la",
        "для", "的",
      ]
    )
  ])

  /// Words between a verdict's words and the summary that it names.
  static let copulas = WordTable<Void>([((), ["is", "ist", "est", "es", "это", "是", "为"])])

  /// Words between a score and the highest possible score.
  static let outOf = WordTable<Void>([((), ["out of", "of", "von", "sur", "de", "sobre", "из"])])

  /// Two summaries joined by one of these are not a choice.
  static let conjunctions = WordTable<Void>([
    (
      (),
      [
        ",", "/", "&", "=", "<", "and", "or", "und", "oder", "et", "ou", "y", "o", "и", "или", "和", "与", "或", "或者",
        "、",
      ]
    )
  ])

  /// The beginnings of refusals.
  static let refusals = [
    "i'm sorry", "i am sorry", "sorry,", "i apologize", "i cannot", "i can't", "i can not", "i am unable", "i'm unable",
    "i won't", "as an ai", "unfortunately", "es tut mir leid", "ich kann ", "je suis désolé", "je ne peux pas",
    "lo siento", "no puedo", "извините", "к сожалению", "я не могу", "простите", "抱歉", "对不起", "很抱歉", "我无法",
    "我不能", "对此我无法",
  ]
}
