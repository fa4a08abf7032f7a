import Checkpoints
import Tensors
import TestSupport
import Testing

/// Tests Double.exp and the other elementary functions with exactly rounded values (Tests/Fixtures/elementary.py).
@Suite struct ElementaryFunctionTests {
  struct Function: Sendable, CustomTestStringConvertible {
    let name: String
    /// In units of the last place, as the functions' comments promise.
    let error: Double
    let value: @Sendable ([Double]) -> Double

    var testDescription: String { name }
  }

  static let functions = [
    Function(name: "exp", error: 0.53) { Double.exp($0[0]) },
    Function(name: "expm1", error: 0.6) { Double.expm1($0[0]) },
    Function(name: "log", error: 0.54) { Double.log($0[0]) },
    Function(name: "log1p", error: 0.54) { Double.log1p($0[0]) },
    Function(name: "cos", error: 0.58) { Double.cos($0[0]) },
    Function(name: "sin", error: 0.58) { Double.sin($0[0]) },
    Function(name: "pow", error: 0.53) { Double.pow($0[0], $0[1]) },
  ]

  @Test(arguments: functions) func `values are rounded almost exactly`(function: Function) throws {
    let fixture = try JSONValue.parse(Repository.text("Tests/Fixtures/elementary.json"))
    let cases = try fixture[function.name]?.array.required(function.name) ?? []
    #expect(cases.count > 100)
    for numbers in cases.map(\.numbers) {
      let arguments = Array(numbers.dropLast(2))
      let (exact, rest) = (numbers[arguments.count], numbers[arguments.count + 1])
      let error = abs((function.value(arguments) - exact) / exact.ulp - rest)
      // A subnormal result is rounded a second time.
      let limit = exact.isNormal ? function.error : 0.78
      #expect(error <= limit, "\(function.name)\(arguments): \(error) units of the last place")
    }
  }

  @Test func `special values are C's`() {
    let infinity = Double.infinity
    #expect(Double.exp(0) == 1 && Double.exp(-0.0) == 1)
    #expect(Double.exp(infinity) == infinity && Double.exp(-infinity) == 0 && Double.exp(.nan).isNaN)
    #expect(Double.exp(709.783) == infinity && Double.exp(1e300) == infinity)
    #expect(Double.exp(-745.134) == 0 && Double.exp(-746) == 0 && Double.exp(-1e300) == 0)
    #expect(Double.expm1(0).sign == .plus && Double.expm1(-0.0).sign == .minus && Double.expm1(-0.0) == 0)
    #expect(Double.expm1(infinity) == infinity && Double.expm1(-infinity) == -1 && Double.expm1(.nan).isNaN)
    #expect(Double.expm1(710) == infinity && Double.expm1(-1e300) == -1 && Double.expm1(5e-324) == 5e-324)
    #expect(Double.log(1).bitPattern == 0 && Double.log(0) == -infinity && Double.log(-0.0) == -infinity)
    #expect(Double.log(infinity) == infinity && Double.log(-5e-324).isNaN && Double.log(.nan).isNaN)
    #expect(Double.log(-infinity).isNaN)
    #expect(Double.log1p(-0.0) == 0 && Double.log1p(-0.0).sign == .minus && Double.log1p(5e-324) == 5e-324)
    #expect(Double.log1p(-1) == -infinity && Double.log1p(-1.5).isNaN && Double.log1p(-infinity).isNaN)
    #expect(Double.log1p(infinity) == infinity && Double.log1p(.nan).isNaN)
    #expect(Double.sin(-0.0) == 0 && Double.sin(-0.0).sign == .minus && Double.sin(5e-324) == 5e-324)
    #expect(Double.cos(0) == 1 && Double.cos(-5e-324) == 1)
    for x in [infinity, -infinity, .nan] { #expect(Double.sin(x).isNaN && Double.cos(x).isNaN) }
  }

  /// C's annex F, 10.4.4.
  @Test func `special powers are C's`() {
    let infinity = Double.infinity
    for y in [0, -0.0, 3, .nan, infinity] as [Double] { #expect(Double.pow(1, y) == 1) }
    for x in [0, -2, .nan, infinity] as [Double] { #expect(Double.pow(x, 0) == 1 && Double.pow(x, -0.0) == 1) }
    #expect(Double.pow(.nan, 2).isNaN && Double.pow(2, .nan).isNaN)
    #expect(Double.pow(-1, infinity) == 1 && Double.pow(-1, -infinity) == 1)
    #expect(Double.pow(0.5, infinity) == 0 && Double.pow(-0.5, -infinity) == infinity)
    #expect(Double.pow(-1.5, infinity) == infinity && Double.pow(1.5, -infinity) == 0)
    #expect(Double.pow(-0.0, -3) == -infinity && Double.pow(-0.0, -4) == infinity && Double.pow(0, -0.5) == infinity)
    #expect(Double.pow(-0.0, 3).sign == .minus && Double.pow(-0.0, 4).sign == .plus && Double.pow(0, 0.5) == 0)
    #expect(Double.pow(-infinity, -3).sign == .minus && Double.pow(-infinity, 2) == infinity)
    #expect(Double.pow(-infinity, 3) == -infinity && Double.pow(infinity, -0.5) == 0)
    #expect(Double.pow(-8, 1.0 / 3).isNaN && Double.pow(-2, 3) == -8 && Double.pow(-2, 2) == 4)
    #expect(Double.pow(-2, 1023) == -0x1p1023 && Double.pow(-2, 1025) == -infinity)
    #expect(Double.pow(-2, 0x1p53) == infinity && Double.pow(2, 1e300) == infinity && Double.pow(0.5, 1e300) == 0)
    #expect(Double.pow(2, -1e300) == 0 && Double.pow(3, 5e-324) == 1)
  }

  @Test func `what is a double is found exactly`() {
    let exponents = -1074...1023
    #expect(
      exponents.map { Double.pow(2, Double($0)) }
        == exponents.map { Double(sign: .plus, exponent: $0, significand: 1) })
    for exponent in 0...22 { #expect(Double.pow(10, Double(exponent)) == Double("1e\(exponent)")) }
    #expect(Double.log(2) == 0.6931471805599453 && Double.exp(1) == 2.718281828459045)
    #expect(Double.cos(.pi / 2) == 6.123233995736766e-17 && Double.sin(.pi) == 1.2246467991473532e-16)
  }

  @Test func `what rises never falls`() {
    let random = CounterRandom(key: 4)
    var falls: [Double] = []
    for place in 0..<40_000 as Range<UInt64> {
      let size = Double.exp(40 * random.uniform(stream: 1, index: place) - 36)
      let x = (2 * random.uniform(stream: 0, index: place) - 1) * size
      let next = x.nextUp
      if Double.exp(x) > Double.exp(next) || Double.expm1(x) > Double.expm1(next) { falls.append(x) }
      if x > 0, Double.log(x) > Double.log(next) { falls.append(x) }
      if x > -1, Double.log1p(x) > Double.log1p(next) { falls.append(x) }
    }
    #expect(falls == [])
  }

  @Test func `sine is odd and cosine even`() {
    let angles = (0..<2000).map { Double($0) * 0.37 }
    #expect(angles.map { Double.sin(-$0) } == angles.map { -Double.sin($0) })
    #expect(angles.map { Double.cos(-$0) } == angles.map(Double.cos))
  }
}
