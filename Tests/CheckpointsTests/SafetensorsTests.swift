import Checkpoints
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  /// Writes a file with a given header length (by default the true length), header text and number of data bytes.
  private func write(_ header: String, data: Int, length: UInt64? = nil, to path: String) throws {
    var bytes = withUnsafeBytes(of: length ?? UInt64(header.utf8.count), Array.init)
    bytes += Array(header.utf8)
    bytes += (0..<data).map { UInt8(truncatingIfNeeded: $0) }
    try AtomicFile.write(bytes, to: path)
  }

  @Test func `reads what the reference takes`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("model.safetensors")
    try write(
      #"{"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"#
        + #""data_offsets":[0,4]},"z":{"dtype":"U8","shape":[0,5],"data_offsets":[8,8]},"#
        + #""__metadata__":{"format":"pt"}}    "#,
      data: 8, to: path)
    let file = try SafetensorsFile(path: path)
    #expect(file.names == ["a", "b", "z"])
    #expect(file.metadata == ["format": "pt"])
    let b = try #require(file.tensors["b"])
    #expect(b.type == .bfloat16 && b.shape == [2, 1])
    #expect(Array(file.bytes(of: b)) == [4, 5, 6, 7])
    #expect(file.tensors["z"]?.range.isEmpty == true)
  }

  struct Bad: Sendable, CustomTestStringConvertible {
    var reason: String
    var header: String
    var data = 4
    var length: UInt64?
    var testDescription: String { reason }
  }

  static let good = #""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#

  /// Each header breaks one rule; `reason` is part of the error.
  @Test(arguments: [
    Bad(reason: "is truncated", header: "{\(good)}", length: 1000),
    Bad(reason: "states a header of", header: "{\(good)}", length: 17 << 20),
    Bad(reason: "states a header of", header: "{\(good)}", length: .max),
    Bad(reason: "not a JSON object", header: " {\(good)}"),
    Bad(reason: "not a JSON object", header: "{\(good)}\n"),
    Bad(reason: "not a JSON object", header: "[1]"),
    Bad(reason: "not a JSON object", header: ""),
    Bad(reason: "not valid JSON", header: "{\(good)},{}"),
    Bad(reason: "occurs twice", header: "{\(good),\(good)}"),
    Bad(reason: "holds no tensor", header: "{}", data: 0),
    Bad(reason: "has 8 bytes", header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, data: 8),
    Bad(reason: "truncated download", header: "{\(good)}", data: 3),
    Bad(reason: "expected", header: "{\(good)}", data: 5),
    Bad(
      reason: "begins at byte 8",
      header: #"{\#(good),"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#, data: 12),
    Bad(
      reason: "begins at byte 2",
      header: #"{\#(good),"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#, data: 6),
    Bad(
      reason: "begins at byte 4", header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      data: 8),
    Bad(reason: "has data_offsets", header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#),
    Bad(
      reason: "has data_offsets",
      header: #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}"#),
    Bad(
      reason: "fewer than 2^63",
      header: #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#),
    Bad(reason: "malformed", header: #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#),
    Bad(reason: "malformed", header: #"{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}"#),
    Bad(reason: "malformed", header: #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#),
    Bad(reason: "malformed", header: #"{"a":{"shape":[1],"data_offsets":[0,4]}}"#),
    Bad(reason: "malformed", header: #"{"a":null}"#),
    Bad(reason: "has 5 axes", header: #"{"a":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]}}"#),
    Bad(reason: "has dtype F64", header: #"{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}"#, data: 8),
    Bad(reason: "not a string", header: #"{"__metadata__":{"x":1},\#(good)}"#),
    Bad(reason: "not an object", header: #"{"__metadata__":[],\#(good)}"#),
    Bad(
      reason: "occurs twice",
      header: "{\"\u{e9}\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
        + "\"e\u{301}\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}"),
  ])
  func `refuses what the format forbids`(bad: Bad) throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("model.safetensors")
    try write(bad.header, data: bad.data, length: bad.length, to: path)
    let error = #expect(throws: ContentError.self) { try SafetensorsFile(path: path) }
    let text = error?.description ?? ""
    #expect(text.contains(path) && text.contains(bad.reason), "\(text)")
  }

  @Test func `refuses tiny files`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("x")
    try AtomicFile.write([1, 0, 0], to: path)
    #expect(throws: ContentError.self) { try SafetensorsFile(path: path) }
    try AtomicFile.write("", to: path)
    #expect(throws: FileError.self) { try SafetensorsFile(path: path) }
    #expect(throws: FileError.self) { try SafetensorsFile(path: scratch.path("missing")) }
  }

  @Test func `refuses too many tensors`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("x")
    let entries = (0..<4097).map { #""t\#($0)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"# }
    try write("{\(entries.joined(separator: ","))}", data: 0, to: path)
    #expect(throws: ContentError.self) { try SafetensorsFile(path: path) }
  }

  /// Every truncation and every changed byte of a header gives a file that is rejected or read; never a crash.
  @Test func `damaged files are refused or read, never a crash`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("x")
    let header = Array(
      "{\(Self.good),\"b\":{\"dtype\":\"F16\",\"shape\":[2,1],\"data_offsets\":[4,8]}}".utf8)
    let whole = withUnsafeBytes(of: UInt64(header.count), Array.init) + header + Array(repeating: 0, count: 8)
    try AtomicFile.write(whole, to: path)
    #expect(try SafetensorsFile(path: path).names == ["a", "b"])
    for count in 1..<whole.count {
      try AtomicFile.write(Array(whole[..<count]), to: path)
      #expect(throws: ContentError.self) { try SafetensorsFile(path: path) }
    }
    for index in 0..<(8 + header.count) {
      for flip: UInt8 in [1, 2, 16, 0x80] {
        var damaged = whole
        damaged[index] ^= flip
        try AtomicFile.write(damaged, to: path)
        if let file = try? SafetensorsFile(path: path) {
          #expect(file.tensors.values.reduce(0) { $0 + file.bytes(of: $1).count } == 8)
        }
      }
    }
  }

  @Test func `writes what it reads`() throws {
    let scratch = try TemporaryDirectory()
    let path = scratch.path("x.safetensors")
    let floats: [Float] = [1, -2.5, .infinity, 0]
    let tensors = [
      OutgoingTensor(name: "small", type: .bfloat16, shape: [3]) { emit in
        for piece: [UInt8] in [[1, 2], [], [3, 4, 5, 6]] { try piece.withUnsafeBytes(emit) }
      },
      OutgoingTensor(name: "wide", type: .float32, shape: [2, 2]) { try floats.withUnsafeBytes($0) },
    ]
    try AtomicFile.write(to: path) { try SafetensorsWriter.write(tensors, to: $0) }
    let file = try SafetensorsFile(path: path)
    #expect(file.names == ["wide", "small"], "wide elements first, so that all are aligned")
    #expect(file.metadata == ["format": "pt"])
    let wide = try #require(file.tensors["wide"])
    #expect(file.bytes(of: wide).elementsEqual(floats.withUnsafeBytes(Array.init)))
    #expect(wide.range.lowerBound.isMultiple(of: 8))
    let small = try #require(file.tensors["small"])
    #expect(Array(file.bytes(of: small)) == [1, 2, 3, 4, 5, 6])
    #expect(file.file.bytes.count == SafetensorsWriter.fileBytes(of: tensors))
  }
}
