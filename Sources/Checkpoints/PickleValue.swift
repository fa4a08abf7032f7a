// What a pickle of tensors may contain. Containers are numbers of a list, so that no value is inside another: nothing
// nests, however deep the file says it does.

import Tensors

/// A value of a pickle.
enum PickleValue {
  case none
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case text(String)
  case global(PickleGlobal)
  case storage(TorchStorage)
  case tensor(TorchTensor)
  /// A tuple or a list, by its number.
  case sequence(Int)
  /// A dictionary, by its number.
  case dictionary(Int)
}

/// The only names that a pickle of tensors may use. None of them is called: they say what follows.
enum PickleGlobal: String, CaseIterable {
  case orderedDictionary = "collections OrderedDict"
  case tensor = "torch._utils _rebuild_tensor_v2"
  case parameter = "torch._utils _rebuild_parameter"
  case floats = "torch FloatStorage"
  case halves = "torch HalfStorage"
  case brainFloats = "torch BFloat16Storage"
  case integers = "torch LongStorage"
  case bytes = "torch ByteStorage"

  /// The type of a storage's elements; nil for other names.
  var element: ElementType? {
    switch self {
    case .floats: .float32
    case .halves: .float16
    case .brainFloats: .bfloat16
    case .integers: .int64
    case .bytes: .uint8
    case .orderedDictionary, .tensor, .parameter: nil
    }
  }
}

/// Numbers that tensors are views of.
struct TorchStorage: Equatable {
  let type: ElementType
  /// Its name in the file.
  let key: String
  let count: Int
}

/// A view of a storage, in elements.
struct TorchTensor {
  let storage: TorchStorage
  let offset: Int
  let shape: [Int]
  let strides: [Int]

  /// The elements if they are dense in row order; nil if they are not, or not inside the storage.
  var range: Range<Int>? {
    guard shape.count == strides.count, offset >= 0 else { return nil }
    var count = 1
    for (extent, stride) in zip(shape, strides).reversed() {
      // The stride of an axis of one element says nothing.
      guard extent >= 0, stride == count || extent <= 1 else { return nil }
      let product = count.multipliedReportingOverflow(by: extent)
      guard !product.overflow else { return nil }
      count = product.partialValue
    }
    let end = offset.addingReportingOverflow(count)
    guard !end.overflow, end.partialValue <= storage.count else { return nil }
    return offset..<end.partialValue
  }
}
