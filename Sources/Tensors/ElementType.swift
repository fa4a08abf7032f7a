// The element types of weights in a file, with safetensors' names.

/// The type of one stored element.
package enum ElementType: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case uint8 = "U8"

  /// Bytes of one element.
  package var bytes: Int {
    switch self {
    case .int64: 8
    case .float32: 4
    case .float16, .bfloat16: 2
    case .uint8: 1
    }
  }
}
