// The rows of a cache that nothing occupies.

/// Free rows, in ascending ranges that are not adjacent.
struct FreeRows {
  private(set) var ranges: [Range<Int>]
  private(set) var count: Int

  init(_ count: Int) { (ranges, self.count) = (count > 0 ? [0..<count] : [], count) }

  /// Takes `wanted` rows: adjacent ones if there are, or several ranges; nil when too few are free.
  mutating func take(_ wanted: Int) -> [Range<Int>]? {
    guard wanted <= count else { return nil }
    guard wanted > 0 else { return [] }
    count -= wanted
    if let place = ranges.firstIndex(where: { $0.count >= wanted }) { return [cut(wanted, at: place)] }
    var (taken, missing): ([Range<Int>], Int) = ([], wanted)
    while missing > 0 {
      let part = cut(min(missing, ranges[ranges.count - 1].count), at: ranges.count - 1)
      missing -= part.count
      taken.append(part)
    }
    return taken
  }

  private mutating func cut(_ wanted: Int, at place: Int) -> Range<Int> {
    let range = ranges[place]
    let part = range.prefix(wanted)
    if part.count == range.count {
      ranges.remove(at: place)
    } else {
      ranges[place] = part.upperBound..<range.upperBound
    }
    return part
  }

  /// Gives back rows that were taken.
  mutating func give(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    count += range.count
    let place = ranges.firstIndex { $0.lowerBound >= range.upperBound } ?? ranges.count
    ranges.insert(range, at: place)
    if place + 1 < ranges.count, ranges[place + 1].lowerBound == range.upperBound {
      ranges[place] = range.lowerBound..<ranges.remove(at: place + 1).upperBound
    }
    if place > 0, ranges[place - 1].upperBound == range.lowerBound {
      ranges[place - 1] = ranges[place - 1].lowerBound..<ranges.remove(at: place).upperBound
    }
  }
}
