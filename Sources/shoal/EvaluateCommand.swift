// `shoal evaluate`: judges a model by tasks, or given texts by their references.

import ArgumentParser
import Collectives
import Evaluation
import Runtime

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Judges a model by tasks, as lm-evaluation-harness does.",
    discussion: """
      Prompts, scores and files are those of lm-evaluation-harness 0.4.13. Under mpirun all ranks work; the results are \
      the same for any number of them. What was computed is kept in OUT.partial until all is: a command that was \
      interrupted goes on there.

      Tasks: \((BuiltInTasks.names + ["preference", "rouge", "bertscore"]).joined(separator: ", ")).

      Example: shoal evaluate --model models/Qwen2-0.5B --task arc_challenge=arc.parquet --num-fewshot 25 --out results.json
      """)

  @OptionGroup var arguments: EvaluationArguments

  func run() {
    runInWorld { world in
      let subjects = try world.agree { try EvaluationSubject.all(arguments) }
      var code: Int32 = 0
      for subject in subjects {
        code = try EvaluationJob(arguments, subject, world: world).run()
        if code != 0 { break }
      }
      return code
    }
  }
}
