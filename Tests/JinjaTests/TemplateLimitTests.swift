// Any template ends with a text or an error, whatever the data: within the stack, in bounded time and memory.

import Checkpoints
import Jinja
import TestSupport
import Testing

@Suite struct TemplateLimitTests {
  private func render(_ template: String, _ messages: [JSONValue] = [], _ variables: [JSONValue.Member] = []) throws
    -> String
  { try Template(template).render(messages, variables).map(\.text).joined() }

  // MARK: The stack

  private static let chains = [
    ("1", "+1", ""), ("1", "-1", ""), ("1", "*1", ""), ("1", "/1", ""), ("1", "**1", ""), ("1", "//1", ""),
    ("1", "%2", ""), ("1", " and 1", ""), ("0", " or 0", ""), ("1", " if 1", ""), ("x", ".y", ""), ("x", "[0]", ""),
    ("x", "[:]", ""), ("x", "()", ""), ("1", "|abs", ""), ("1", " is true", ""), ("x", "|d()", ""), ("", "not ", "1"),
    ("1", " is eq(1)", ""), ("1", "|abs is true", ""), ("", "-", "1"), ("", "(", "1"), ("", "[", "1"), ("", "{1:", "1"),
    ("1", " if 0 else 1", ""), ("f", "(f", ""), ("x", "[x", ""), ("1", " is eq 1", ""),
  ]

  @Test(arguments: chains)
  func `a long chain is refused`(first: String, link: String, last: String) {
    for count in [30_000, ((1 << 20) - 100) / link.utf8.count] {
      let template = "{{ \(first)\(String(repeating: link, count: count))\(last) }}"
      #expect(throws: TemplateError.self) { try render(template) }
    }
  }

  @Test func `a chain within the limit is evaluated`() throws {
    #expect(try render("{{ 1\(String(repeating: "+1", count: 1000)) }}") == "1001")
    #expect(try render("{{ ' a'\(String(repeating: "|trim", count: 1000)) }}") == "a")
    #expect(try render("{{ 1\(String(repeating: " ~ 1", count: 5000)) }}").utf8.count == 5001)
    #expect(try render("{% if 0 %}\(String(repeating: "{% elif 0 %}", count: 50_000)){% else %}a{% endif %}") == "a")
  }

  @Test func `chains in calls within calls are refused`() {
    let chain = String(repeating: "+1", count: 900)
    #expect(throws: TemplateError.self) {
      try render("{% macro f(n) %}{{ f(n + 1) ~ 1\(chain) }}{{ f(n + 1)\(chain) }}{% endmacro %}{{ f(0) }}")
    }
    let blocks = String(repeating: "{% if 1 %}", count: 90)
    let ends = String(repeating: "{% endif %}", count: 90)
    #expect(throws: TemplateError.self) {
      try render("{% macro f() %}\(blocks){{ f() }}\(ends){% endmacro %}{{ f() }}")
    }
  }

  @Test func `brackets around names are counted`() {
    for (open, close) in [("{% set ", "=1 %}"), ("{% for ", " in [] %}{% endfor %}")] {
      let names = String(repeating: "(", count: 30_000) + "a" + String(repeating: ")", count: 30_000)
      #expect(throws: TemplateError.self) { try render(open + names + close) }
    }
  }

  // MARK: Patterns

  @Test(arguments: [
    "{% for i in range(99999) %}{{ 'a' | regex_replace('(?:(?:a{100}){100}){3}', 'b') }}{% endfor %}",
    "{{ ('a' * 60000) | regex_replace('a', 'b' * 1000000) }}",
    "{{ ('a' * 60000) | regex_replace('(?:(?:a?){100}){100}b', '') }}",
  ])
  func `patterns are counted`(template: String) throws {
    #expect(throws: TemplateError.self) { try Template(template, .strict).text([]) }
  }

  // MARK: Arithmetic

  @Test(arguments: [
    ("'12'|int(0, 99)", "12"), ("'12'|int(0, 1)", "12"), ("'12'|int(0, MIN)", "12"), ("'zz'|int(0, 36)", "1295"),
    ("'abc'|center(MIN)", "abc"), ("'abc'|center(MAX)|length", "1000"), ("'-5'.zfill(MIN)", "-5"),
    ("'-5'.zfill(MAX)|length", "1000"), ("'a'|indent(MIN)", "a"), ("'a'|indent(MAX, true)|length", "1001"),
    ("MIN is divisibleby(-1)", "True"), ("MIN is odd", "False"), ("MIN is even", "True"), ("MIN|abs is number", "True"),
    ("-MIN", nil), ("MIN // -1", nil), ("MIN % -1", nil), ("MIN * -1", nil), ("MIN - 1", nil), ("MAX + 1", nil),
    ("MIN ** 2", nil), ("(-1) ** MAX", "-1"), ("0 ** MAX", "0"), ("2 ** MAX", nil), ("2 ** MIN", "0.0"),
    ("[MAX, 1]|sum", nil), ("[MAX]|sum(start=MAX)", nil), ("[1]|sum(start=MIN) == MIN + 1", "True"),
    ("'abc'[::MAX]", "a"), ("'abc'[::MIN]", "c"), ("'abc'[MIN:MAX]", "abc"), ("'abc'[MAX:MIN:-1]", "cba"),
    ("'abc'[MAX:MIN:MIN]", "c"), ("[1, 2][::MAX]", "[1]"), ("[1, 2][1::MAX]", "[2]"), ("[1, 2][MIN]", ""),
    ("'ab'[MAX]", ""), ("range(MAX - 1, MAX, 5)|list == [MAX - 1]", "True"), ("range(MAX - 1, MAX, MAX)|length", "1"),
    ("range(MIN, MAX, MAX)|length", "3"), ("range(MAX, MIN, MIN)|length", "2"), ("range(MIN, MAX)", nil),
    ("range(MAX, MIN)|length", "0"), ("'a' * MAX", nil), ("'a' * MIN", ""), ("'' * MAX", ""), ("[1] * MAX", nil),
    ("[1] * MIN", "[]"), ("[] * MAX", "[]"), ("[1]|batch(MAX)", "[[1]]"), ("[1]|batch(MIN)", nil),
    ("1.5|round(MAX)", "1.5"), ("1.5|round(MIN)", "0.0"), ("1e308|round(15)", "inf"), ("(1e308 * 10)|int", "0"),
    ("'1e999'|int", "0"), ("'%d' % 1e300", nil), ("('%999d' % MIN)|length", "999"),
    ("[1]|map(attribute=MIN)|list", nil),
    ("[[1]]|map(attribute=MAX)|first", ""), ("'abab'.replace('a', 'b', MAX)", "bbbb"),
    ("'a b'.split(' ', MIN)|length", "2"),
    ("'a b'.rsplit(' ', MAX)|length", "2"), ("[1]|tojson(indent=MAX)|length", "37"),
    ("[1]|tojson(indent=MIN)", "[\n1\n]"),
  ])
  func `numbers at the ends of their range do no harm`(expression: String, expected: String?) {
    let template = "{% set MAX = 9223372036854775807 %}{% set MIN = -MAX - 1 %}{{ \(expression) }}"
    #expect((try? render(template)) == expected)
  }

  @Test func `values are formatted as Python formats them`() throws {
    for (expression, expected) in [
      ("'%05.1f|%-5s|%5s|%%|%d' % (1.25, 'a', 'é', 9007199254740993)", "001.2|a    |    é|%|9007199254740993"),
      ("'%05d|%05s|%-05d|%.0f%r' % (-5, 'a', 5, 2.0, 'b')", "-0005|    a|5    |2'b'"), ("'%s' % 'a' * 2", "aa"),
    ] { #expect(try render("{{ \(expression) }}") == expected) }
    for expression in ["'%' % 1", "'%x' % 1", "'%.f' % 1", "'%1234d' % 1", "'%s' % (1, 2)", "'%s%s' % 1", "'%d' % 'a'"]
    {
      #expect(throws: TemplateError.self) { try render("{{ \(expression) }}") }
    }
  }

  // MARK: Time

  /// What a text of a record does to a template: refused or not, at once.
  private func expectFast(_ expression: String, _ content: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let template = "{% set t = messages[0].content %}{{ (\(expression))|length }}"
    let seconds = processorSeconds { _ = try? render(template, [["role": "user", "content": .string(content)]]) }
    #expect(seconds < boundedSeconds, "\(expression)", sourceLocation: sourceLocation)
  }

  @Test(arguments: [
    "t.split('\\n')", "t.split()", "t.splitlines()", "t.rsplit('\\n', 5)", "t.replace('\\n', 'ab')",
    "t.replace('', 'a')",
    "t|indent", "t|wordcount", "t|list", "t|reverse", "t[::-1]", "t|escape", "t.partition('\\n')", "t.strip()",
  ])
  func `a text is cut in one pass`(expression: String) throws {
    expectFast(expression, String(repeating: "line of text\r\n\n é", count: 20_000))
    expectFast(expression, String(repeating: "\n", count: 300_000))
    let mixed = "('a\\n' ~ messages[0].role) * 10000"
    expectFast(expression.replacing("t", with: mixed, maxReplacements: 1), "")
  }

  @Test func `a search takes linear time`() throws {
    let text = String(repeating: "a", count: 1_000_000)
    for expression in ["t.find(t[:400000] ~ 'b')", "t.count(t[:400000] ~ 'b')", "t[:400000] ~ 'b' in t"] {
      expectFast("[\(expression)]", text)
    }
  }

  @Test(arguments: [
    ("'a\\r\\nb\\n\\nc\\x0bd\\u2028'.splitlines()", "['a', 'b', '', 'c', 'd']"), ("''.splitlines()", "[]"),
    ("'a\\r\\nb\\n\\nc'.splitlines(true)", "['a\\r\\n', 'b\\n', '\\n', 'c']"), ("'\\n'.splitlines()", "['']"),
    ("' 1  2   3 '.split(none, 1)", "['1', '2   3 ']"), ("' 1  2'.split(none, 0)", "['1  2']"),
    ("' 1 '.split(none, 1)", "['1']"),
    ("'a,b,c,d'.rsplit(',', 2)", "['a,b', 'c', 'd']"), ("'a,b'.rsplit(',', 0)", "['a,b']"),
    ("'aaa'.split('aa')", "['', 'a']"),
    ("'abc'.replace('', '-', 2)", "-a-bc"), ("'abc'.replace('', '-')", "-a-b-c-"), ("'abc'.replace('', '-', 0)", "abc"),
    ("'éaé'.find('é')", "0"), ("'éaéb'.find('b')", "3"), ("'éaé'.find('x')", "-1"), ("'ababac'.find('abac')", "2"),
    ("'aabaabaab'.count('aab')", "3"), ("'é😀b'[1:]", "😀b"), ("'é😀b'[-1]", "b"), ("'é😀b'|reverse", "b😀é"),
    ("'é😀b'|length", "3"), ("'é😀b'|list", "['é', '😀', 'b']"), ("'é😀b'[::2]", "éb"), ("'a' < 'é'", "True"),
    ("('ab' ~ messages[0].role)[1:4]", "bus"), ("('é' ~ messages[0].role ~ 'é').strip('é')", "user"),
  ])
  func `texts are cut as Python cuts them`(expression: String, expected: String) throws {
    #expect(try render("{{ \(expression) }}", [["role": "user"]]) == expected)
  }

  @Test(arguments: [
    "t|upper", "t|title", "t.title()", "t|escape", "t.split()", "t|list", "t|tojson(ensure_ascii=true)", "[t]|string",
    "t|length", "t.find('zz')", "t == t ~ ''", "t < t ~ 'a'", "'%s' % (t,)", "t.isupper()", "t|map('upper')",
    "t.startswith(t)", "t[5]", "t|first", "t|reverse", "d.k5000", "d == d", "dict(d)", "range(9000)|sort",
    "range(9000)|unique", "9000 in range(9000)|list", "'a'|center(1000)", "'%5.1f' % 1.0", "loop.index",
    "namespace(a=1)",
    "strftime_now('%Y')", "d|tojson(separators=(t, t))",
  ])
  func `repetition is refused in time`(expression: String) throws {
    let text = String(repeating: "aé\u{1} ", count: 200_000)
    let members = (0..<8000).map { JSONValue.Member("k\($0)", .integer(Int64($0))) }
    let loops = "{% for i in range(100000) %}{% for j in range(100000) %}{% set x = \(expression) %}"
    let template = "{% set t = messages[0].content %}\(loops){% endfor %}{% endfor %}"
    let seconds = processorSeconds {
      #expect(throws: TemplateError.self) {
        try render(template, [["role": "user", "content": .string(text)]], [.init("d", .object(members))])
      }
    }
    #expect(seconds < boundedSeconds)
  }

  @Test(arguments: [
    "{% set x %}{% for i in range(99999) %}{% for j in range(9) %}a{{ r }}{% endfor %}{% endfor %}{% endset %}{{ x.a.b }}",
    "{{ ([t] * 100000)|tojson }}", "{% set l = [t] * 100000 %}{{ '%s' % (l,) }}", "{{ [t] * 100000 }}",
    "{{ ([1] * 900000)|tojson(separators=(t, t)) }}", "{{ t.replace('a', t) }}", "{{ t.replace('', t) }}",
    "{{ t.startswith(([t] * 10000)|list) }}", "{{ (range(100000)|list * 9)|sort }}",
    "{% set l = range(100000)|list %}{% for i in l %}{% set x = i in l %}{% endfor %}",
    "{% set n = namespace(x=[]) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x=[1]) %}{% for i in range(99999) %}{% set n.x = n.x|batch(1) %}{% endfor %}{{ n.x }}",
  ])
  func `what means more than it takes is refused`(template: String) throws {
    let text = String(repeating: "a", count: 1_000_000)
    let seconds = processorSeconds {
      #expect(throws: TemplateError.self) {
        try render(
          "{% set t = messages[0].content %}{% set r = messages[0].role %}\(template)",
          [["role": "user", "content": .string(text)]])
      }
    }
    #expect(seconds < boundedSeconds)
  }

  @Test func `a text of many origins grows in linear time`() throws {
    for expression in [
      "'a%sb' * 90000 % (\(String(repeating: "r,", count: 90_000)))", "r\(String(repeating: "~'a'~r", count: 90_000))",
    ] {
      let template = "{% set r = messages[0].role %}{{ \(expression) }}"
      let seconds = processorSeconds { _ = try? render(template, [["role": "user"]]) }
      #expect(seconds < boundedSeconds)
    }
  }

  @Test func `values that refer to each other in a chain are released`() throws {
    let namespaces = "{% for i in range(90000) %}{% set n.x = namespace(x=n.x) %}{% endfor %}"
    #expect(try render("{% set n = namespace(x=1) %}\(namespaces)a") == "a")
    let macro = "{% macro g() %}{% set o = n.f %}{% macro h() %}{{ o }}{% endmacro %}{% set n.f = h %}{% endmacro %}"
    let calls = "{% for i in range(90000) %}{{ g() }}{% endfor %}"
    #expect(try render("{% set n = namespace(f=1) %}\(macro)\(calls)a") == "a")
  }

  @Test func `large data cost what is used of them`() throws {
    let members = (0..<50_000).map { JSONValue.Member("k\($0)", .integer(Int64($0))) }
    let text = "{{ d|length }} {{ d.k49999 }}"
    var rendered = ""
    let seconds = try processorSeconds { rendered = try render(text, [], [.init("d", .object(members))]) }
    #expect(rendered == "50000 49999" && seconds < boundedSeconds)
    let chat = (0..<5000).map { JSONValue.object([.init("role", "user"), .init("content", .string("\($0)"))]) }
    let loop =
      "{% for m in messages %}{% if loop.index == messages|length %}{{ messages[-1].content }}{% endif %}{% endfor %}"
    #expect(try render(loop, chat) == "4999")
  }
}
