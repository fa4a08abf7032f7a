// The models that bert_score 0.3.13 knows, of the families that are read here: which layer is compared, and what it
// gives for texts that have nothing to do with each other.

import Checkpoints

/// What precision, recall and F-measure are on average for unrelated texts: scores are rescaled so that this is 0.
package struct BertBaseline: Sendable, Equatable {
  package let precision, recall, fMeasure: Float

  /// - Precondition: each is below 1.
  package init(precision: Float, recall: Float, fMeasure: Float) {
    precondition(precision < 1 && recall < 1 && fMeasure < 1, "a baseline of 1 leaves nothing to rescale")
    (self.precision, self.recall, self.fMeasure) = (precision, recall, fMeasure)
  }
}

/// A model with a layer that agreed best with people's judgement.
package struct BertModel: Sendable, Equatable {
  /// The last part of its name on the hub.
  package let name: String
  package let layer: Int
  /// For English, at that layer.
  package let baseline: BertBaseline?

  private init(_ name: String, layer: Int, _ precision: Float, _ recall: Float, _ fMeasure: Float) {
    (self.name, self.layer) = (name, layer)
    baseline = BertBaseline(precision: precision, recall: recall, fMeasure: fMeasure)
  }

  package static let all = [
    BertModel("distilroberta-base", layer: 5, 0.84732, 0.84759504, 0.8473319),
    BertModel("roberta-base", layer: 10, 0.8146725, 0.8146619, 0.814463),
    BertModel("roberta-large", layer: 17, 0.83150584, 0.8314941, 0.83122575),
    BertModel("roberta-large-mnli", layer: 19, 0.6901594, 0.69018, 0.6896288),
    BertModel("deberta-base", layer: 9, 0.6282066, 0.62825406, 0.6269483),
    BertModel("deberta-base-mnli", layer: 9, 0.53045946, 0.5304829, 0.52866036),
    BertModel("deberta-large", layer: 16, 0.5341927, 0.53433174, 0.53205305),
    BertModel("deberta-large-mnli", layer: 18, 0.45358238, 0.45362508, 0.45173016),
    BertModel("deberta-xlarge", layer: 18, 0.5177917, 0.5178813, 0.51596016),
    BertModel("deberta-xlarge-mnli", layer: 40, 0.5169066, 0.5170288, 0.5150192),
  ]

  /// The model whose name a directory has: its own, that of the hub's cache around it, or that in its config.json.
  package static func model(in directory: String) -> BertModel? {
    let parts = directory.split(separator: "/")
    var names: [String] = []
    // models--owner--name, and snapshots/REVISION below it.
    if let folder = parts.last(where: { $0.hasPrefix("models--") }) {
      names.append(lastPart(of: String(folder), after: "--"))
    }
    if let own = parts.last { names.append(String(own)) }
    if let config = try? JSONValue.read(file: "\(directory)/config.json", limit: 1 << 20),
      let name = config["_name_or_path"]?.string
    {
      names.append(lastPart(of: name, after: "/"))
    }
    return names.lazy.compactMap { name in all.first { $0.name == name } }.first
  }

  private static func lastPart(of text: String, after separator: String) -> String {
    var rest = text[...]
    while let range = rest.firstRange(of: separator) { rest = rest[range.upperBound...] }
    return String(rest)
  }
}
