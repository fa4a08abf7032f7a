// The records of a data set that a run takes: of which files, and which of them.

import Tensors

extension Dataset {
  /// The records of one entry of `datasets`, batch by batch, in the order of the files.
  struct Records {
    private let source: Source
    /// The files with the numbers of the records that are taken; nil takes all.
    private var files: [(path: String, taken: Taken?)]
    private var stream: RecordStream?

    private enum Taken {
      case range(Range<Int>)
      /// One truth per record.
      case chosen([Bool])

      func contains(_ record: Int) -> Bool {
        switch self {
        case .range(let range): range.contains(record)
        case .chosen(let chosen): record < chosen.count && chosen[record]
        }
      }

      /// Those before it are not taken.
      var first: Int {
        switch self {
        case .range(let range): range.lowerBound
        case .chosen(let chosen): chosen.firstIndex(of: true) ?? chosen.count
        }
      }

      /// Neither are those from it on.
      var end: Int {
        switch self {
        case .range(let range): range.upperBound
        case .chosen(let chosen): chosen.count
        }
      }
    }

    /// Finds the files, and counts their records if only some of them are taken.
    /// - Parameter seed: selects the records of a shard.
    /// - Throws: `FileError` or `CorpusError`.
    init(_ source: Source, seed: UInt64) throws {
      self.source = source
      files = []
      for part in source.split.parts {
        let paths = try Self.files(of: source, part)
        guard !part.isWhole || source.shard != nil else {
          files += paths.map { ($0, nil) }
          continue
        }
        let counts = try paths.map {
          try RecordStream.count(path: $0, format: source.format, samples: source.samples)
        }
        let range = try SplitSelection.range(part, of: counts.reduce(0, +), path: paths.joined(separator: ", "))
        var start = 0
        for (path, count) in zip(paths, counts) {
          let own = range.clamped(to: start..<start + count)
          files.append((path, .range(own.lowerBound - start..<own.upperBound - start)))
          start += count
        }
      }
      if let shard = source.shard { try takeShard(shard, seed: seed) }
    }

    /// A shard is one of equal parts of the records in an order that the seed selects, as in axolotl.
    private mutating func takeShard(_ shard: Source.Shard, seed: UInt64) throws {
      let ranges = files.map { file in if case .range(let range)? = file.taken { range } else { 0..<0 } }
      let count = ranges.reduce(0) { $0 + $1.count }
      guard count >= shard.count else {
        throw CorpusError.unusable(
          path: source.paths.joined(separator: ", "), reason: "\(count) records make no \(shard.count) shards")
      }
      let order = CounterRandom(key: seed).permutation(count: count, stream: RandomStream.shards)
      let (size, larger) = (count / shard.count, count % shard.count)
      let start = size * shard.index + min(shard.index, larger)
      var chosen = [Bool](repeating: false, count: count)
      for place in start..<start + size + (shard.index < larger ? 1 : 0) { chosen[order[place]] = true }
      var first = 0
      for (number, range) in ranges.enumerated() {
        var own = [Bool](repeating: false, count: range.upperBound)
        for record in range { own[record] = chosen[first + record - range.lowerBound] }
        files[number].taken = .chosen(own)
        first += range.count
      }
    }

    private static func files(of source: Source, _ part: SplitSelection.Part) throws -> [String] {
      try source.paths.flatMap {
        try DataFiles.at($0, split: part.name, subset: source.subset, revision: source.revision)
      }
    }

    /// All files that records may be taken from.
    /// - Throws: `CorpusError`.
    static func files(of source: Source) throws -> [String] {
      try source.split.parts.flatMap { try files(of: source, $0) }
    }

    private static func open(_ path: String, _ source: Source, from first: Int) throws -> RecordStream {
      try RecordStream(
        path: path, format: source.format, fields: DatasetType.columns(of: source.type, source.fields),
        samples: source.samples, from: first)
    }

    /// The next records that are taken, as places in a batch; nil at the end.
    /// - Throws: `FileError` or `CorpusError`, also for a file without records.
    mutating func next() throws -> (batch: RecordBatch, places: [Int])? {
      while let (path, taken) = files.first {
        let current = try stream ?? Self.open(path, source, from: taken?.first ?? 0)
        stream = current
        if let taken, current.passed >= taken.end {
          finishFile()
          continue
        }
        guard let batch = try current.next() else {
          guard current.passed > 0 else { throw CorpusError.unusable(path: path, reason: "it has no records") }
          finishFile()
          continue
        }
        let first = current.passed - batch.count
        let places = taken.map { taken in
          (0..<batch.count).filter { taken.contains(first + $0) }
        }
        if places?.isEmpty == true { continue }
        return (batch, places ?? Array(0..<batch.count))
      }
      return nil
    }

    private mutating func finishFile() {
      files.removeFirst()
      stream = nil
    }
  }
}
