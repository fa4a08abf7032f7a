// A function of documents.

package import Checkpoints

/// A named function of a document, where lm-eval's own task has one in Python.
package struct DocumentFunction: Sendable {
  package let name: String
  package let call: @Sendable (JSONValue) throws(DocumentProblem) -> JSONValue

  package init(_ name: String, _ call: @escaping @Sendable (JSONValue) throws(DocumentProblem) -> JSONValue) {
    (self.name, self.call) = (name, call)
  }
}
