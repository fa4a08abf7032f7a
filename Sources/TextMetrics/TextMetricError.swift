// The error of metrics that cannot be computed as asked.

import Tensors

/// What is asked of a metric cannot be done.
package struct TextMetricError: UserError, Equatable {
  package let reason: String

  package init(_ reason: String) { self.reason = reason }

  package var description: String { reason }
}
