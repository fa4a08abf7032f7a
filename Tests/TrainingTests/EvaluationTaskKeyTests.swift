import Evaluation
import TestSupport
import Testing
import Training

/// `eval_tasks`: how tasks are written, and what their metrics may be used for.
@Suite struct EvaluationTaskKeyTests {
  private func tasks(_ yaml: String) throws -> [TaskChoice] {
    let run = try configuration(minimalYAML + yaml)
    #expect(try configuration(run.resolvedYAML) == run, "reads back equal")
    return run.evaluationTasks
  }

  private func problem(_ yaml: String) -> String { problems(minimalYAML + yaml).joined(separator: "\n") }

  @Test func `tasks are words, mappings, or names with files`() throws {
    var (arc, own, shots) = (TaskChoice(), TaskChoice(), TaskChoice())
    (arc.name, arc.data) = ("arc_easy", "arc=1.jsonl")
    own.file = "own.yaml"
    (shots.name, shots.data, shots.shots) = ("hellaswag", "h.parquet", "train.jsonl")
    (shots.shotCount, shots.limit, shots.appliesChatTemplate) = (3, 0.5, true)
    #expect(
      try tasks(
        """
        eval_tasks:
          - arc_easy=arc=1.jsonl
          - own.yaml
          - task: hellaswag
            path: h.parquet
            fewshot: train.jsonl
            num_fewshot: 3
            limit: 0.5
            apply_chat_template: true
          - task_file: own.yaml
        """) == [arc, own, shots, own])
    #expect(try tasks("eval_tasks: {arc_easy: arc=1.jsonl}") == [arc])
    #expect(try tasks("eval_tasks: [{name: arc_easy, path: arc=1.jsonl}]") == [arc])
    #expect(try tasks("eval_tasks: arc_easy=arc=1.jsonl") == [arc])
    #expect(try tasks("eval_tasks:").isEmpty)
  }

  @Test func `what is no task is refused with what there is`() {
    #expect(problem("eval_tasks: [arc=arc.jsonl]").contains("there is no task \"arc\"; there are hellaswag"))
    #expect(problem("eval_tasks: [arc_easy]").contains("NAME=FILE"))
    #expect(problem("eval_tasks: [humaneval=h.jsonl]").contains("--allow-code-execution"))
    #expect(problem("eval_tasks: [bertscore=h.jsonl]").contains("--encoder"))
    #expect(problem("eval_tasks: [{task: arc_easy}]").contains("expected task with path, or task_file"))
    #expect(problem("eval_tasks: [{task: arc_easy, path: a, task_file: b}]").contains("or task_file"))
    #expect(problem("eval_tasks: [{task: arc_easy, path: a, shots: 3}]").contains("unknown key `eval_tasks.0.shots`"))
    #expect(problem("eval_tasks: [{task: arc_easy, path: a, limit: 0}]").contains("greater than 0"))
    #expect(problem("eval_tasks: 3").contains("a list of NAME=FILE"))
  }

  @Test func `the best model may be a task's`() throws {
    let tasks = "eval_tasks: [arc_easy=a, perplexity=p]\neval_steps: 5\n"
    let best = try configuration(
      minimalYAML + tasks + "metric_for_best_model: arc_easy_acc\nearly_stopping_patience: 2\n")
    #expect(best.endsWithBest && best.greaterIsBetter && best.metricForBestModel == "eval_arc_easy_acc")
    let text = try configuration(minimalYAML + tasks + "metric_for_best_model: eval_perplexity_word_perplexity\n")
    #expect(!text.greaterIsBetter)
    // Nothing is held out, so there is no loss to compare.
    #expect(problem(tasks + "early_stopping_patience: 2\n").contains("or a metric of `eval_tasks`"))
    #expect(problem(tasks + "metric_for_best_model: piqa_acc\n").contains("evaluations here have no eval_piqa_acc"))
  }
}
