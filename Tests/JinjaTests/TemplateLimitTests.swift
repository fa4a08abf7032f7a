// Any template ends with a text or an error, whatever the data: within the stack, in bounded time and memory.

import Checkpoints
import Jinja
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
}
