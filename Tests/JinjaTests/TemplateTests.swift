// Compares rendered templates with those of transformers, and checks origins and limits.

import Checkpoints
import Foundation
import Jinja
import TestSupport
import Testing

@Suite struct TemplateTests {
  private func render(_ template: String, _ messages: [JSONValue] = [], _ variables: [JSONValue.Member] = []) throws
    -> [TemplateOutput]
  { try Template(template).render(messages, variables) }

  @Test func `texts are transformers'`() throws {
    let fixture = try JSONValue.read(file: Repository.fixture("templates.json"))
    let messages = try #require(fixture["messages"]?.array)
    let cases = try #require(fixture["cases"]?.array)
    #expect(cases.count > 200)
    for entry in cases {
      let template = try #require(entry["template"]?.string)
      let text = try? render(template, messages).map(\.text).joined()
      #expect(text == entry["text"]?.string, "\(template)")
    }
  }

  @Test func `what came from data is known, whatever was done to it`() throws {
    let message: JSONValue = ["role": "user", "content": "  <a>  b"]
    func data(_ template: String) throws -> [String] {
      try render(template, ["x", message]).compactMap { $0.origin == .template ? nil : $0.text }
    }
    for (expression, expected) in [
      ("m.content", ["  <a>  b"]), ("'<a>' + m.content | trim + '<b>'", ["<a>  b"]),
      ("m.content.split()|join('<b>')", ["<a>", "b"]), ("m.content|replace('<a>', '<b>')", ["  ", "  b"]),
      ("m.content[2:4] ~ '<'", ["<a"]), ("m|tojson", [#"{"role": "user", "content": "  <a>  b"}"#]),
      ("'%s<b>' % m.content", ["  <a>  b"]), ("m.content|upper", ["  <A>  B"]), ("'<b>' * 2", []),
      ("[m.content]", ["['  <a>  b']"]), ("m.content.strip().partition('>')[2]", ["  b"]),
    ] { #expect(try data("{% set m = messages[1] %}{{ \(expression) }}") == expected, "\(expression)") }
    let runs = try render("{{ '<a>' }}{{ messages[1].content }}{{ x }}", ["x", message], [.init("x", "y")])
    #expect(runs.map(\.origin) == [.template, .data(message: 1), .data(message: nil)])
    let marked = try render("a{% generation %}b{{ messages[1].role }}{% endgeneration %}c", ["x", message])
    #expect(marked.map(\.isGenerated) == [false, true, true, false])
  }

  @Test(arguments: [
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% set x = 'ab' %}{% for i in range(60) %}{% set ns = x %}{% endfor %}{{ 'a' * 100000000 }}",
    "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ range(1000000) }}", "{{ [1] * 10000000 }}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "{{ 2 ** 63 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 1 // 0 }}", "{{ 1 % 0.0 }}",
  ])
  func `what exceeds a limit is refused`(template: String) throws {
    #expect(throws: TemplateError.self) { try render(template) }
  }

  @Test func `deep nesting is refused`() {
    for (open, close) in [("(", ")"), ("[", "]"), ("-", "")] {
      let expression = String(repeating: open, count: 5000) + "1" + String(repeating: close, count: 5000)
      #expect(throws: TemplateError.self) { try render("{{ \(expression) }}") }
    }
    #expect(throws: TemplateError.self) { try render("{{ \(String(repeating: "not ", count: 5000))1 }}") }
    let blocks = String(repeating: "{% if 1 %}", count: 5000) + String(repeating: "{% endif %}", count: 5000)
    #expect(throws: TemplateError.self) { try render(blocks) }
  }

  @Test func `a mistake has its line`() {
    for (template, description) in [
      ("a\n{{ x | upcase }}", "line 2 of the template: unknown filter \"upcase\""),
      ("\n\n{% include 'x' %}", "line 3 of the template: \"include\" is not for chat templates"),
      ("{% if x %}", "line 1 of the template: if has no endif"), ("\n{{ x.y }}", "line 2"),
      ("\n{{ raise_exception('only users') }}", "line 2 of the template: the template refuses the chat: only users"),
      ("{{ [].append(1) }}", "values cannot be changed: append"), ("{{ 'a }}", "the text has no end"),
    ] {
      #expect { try render(template) } throws: { "\($0)".contains(description) }
    }
  }
}
