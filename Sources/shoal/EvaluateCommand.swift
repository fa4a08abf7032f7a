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

      Tasks: \(TaskChoice.names.joined(separator: ", ")).

      Example: shoal evaluate --model models/Qwen2-0.5B --task arc_challenge=arc.parquet --num-fewshot 25 --out results.json
      """)

  @OptionGroup var arguments: EvaluationArguments

  func run() {
    runInWorld { world in
      let subjects = try world.agree { try EvaluationSubject.all(arguments) }
      let inputs = subjects.flatMap { InferenceArguments.inputs(model: $0.model, adapter: $0.adapter) }
      var jobs = try subjects.map {
        try EvaluationJob(arguments, $0, inputs: inputs + arguments.dataFiles, world: world)
      }
      for place in jobs.indices {
        if subjects.count > 1, world.rank == 0 { Console.print("\(subjects[place].title):") }
        let code = try jobs[place].run()
        guard code == 0 else { return code }
      }
      try world.agree { if world.rank == 0 { try finish(jobs) } }
      return 0
    }
  }

  /// Writes all results, after the last model has answered: until then each one's answers are in its journal.
  private func finish(_ jobs: [EvaluationJob]) throws {
    for job in jobs { try job.finish() }
    if jobs.count == 1 { jobs[0].tell() }
    guard jobs.count > 1 else { return }
    if arguments.plan {
      let seconds = jobs.reduce(0) { $0 + $1.plannedSeconds }
      Console.print("plan of all: \(ProgressPrinter.duration(seconds))")
    } else {
      print(ComparisonTable(jobs.map { ($0.subject.title, $0.outcomes) }).text)
    }
  }
}
