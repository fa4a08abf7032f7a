// What filters leave of responses.

package import Checkpoints

/// The responses to one document, as a filter left them: likelihoods, or a text or list of texts for each request.
package enum FilteredResponses: Sendable {
  case likelihoods([TextLikelihood])
  case texts([JSONValue])
}
