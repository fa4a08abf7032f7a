// The spread of a statistic under resampling, with lm-eval's own random numbers.

enum Bootstrap {
  /// Resamplings that share a stream of random numbers; streams are numbered from 0, and their numbers are their seeds.
  private static let chunk = 1000

  /// The standard deviation of a statistic over samples drawn with replacement.
  /// - Parameter statistic: of the places drawn.
  static func deviation(of count: Int, times: Int, _ statistic: ([Int]) -> Double) -> Double {
    let size = min(chunk, times)
    var values: [Double] = []
    values.reserveCapacity(times)
    var places = [Int](repeating: 0, count: count)
    for seed in 0..<times / size {
      var random = PythonRandom(seed: seed)
      for _ in 0..<size {
        for place in places.indices { places[place] = random.choice(of: count) }
        values.append(statistic(places))
      }
    }
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
  }
}
