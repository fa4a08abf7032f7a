// Renders chat templates for the scripts of Tests/Parity.
//
// Lines in: {"template": …, "messages": […], "variables": {…}}, or {"template": …, "document": {…}} for a prompt of lm-eval.
// Lines out: {"text": …}, or {"error": …} if the template is refused.

import Checkpoints
import Jinja

@main
struct TemplateTextsProgram {
  static func main() {
    while let line = readLine() {
      let answer: JSONValue.Member
      do {
        let request = try JSONValue.parse(Array(line.utf8), by: .anyText)
        let text = request["template"]?.string ?? ""
        if let document = request["document"]?.members {
          answer = .init("text", .string(try Template(text, .strict).text(document)))
        } else {
          let output = try Template(text).render(
            request["messages"]?.array ?? [], request["variables"]?.members ?? [])
          answer = .init("text", .string(output.map(\.text).joined()))
        }
      } catch {
        answer = .init("error", .string("\(error)"))
      }
      print(JSONValue.object([answer]).serialized())
    }
  }
}
