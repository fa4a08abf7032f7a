// What compares texts with reference texts.

/// A metric of texts, such as ROUGE or BERTScore.
package protocol TextMetric: Sendable {
  /// The name of the task: `rouge`.
  var name: String { get }
  /// The names of the values: `rouge1`.
  var valueNames: [String] { get }
  /// The values of each text, in the order of their names.
  /// - Parameter references: one or more for each text.
  func values(predictions: [String], references: [[String]]) throws -> [[Double]]
  /// Seconds that the values of so many texts will take, one for each group of references.
  func seconds(references: [[String]]) throws -> Double
}

extension TextMetric {
  package func seconds(references: [[String]]) throws -> Double { 0 }
}
