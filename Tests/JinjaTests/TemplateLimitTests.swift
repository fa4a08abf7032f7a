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
}
