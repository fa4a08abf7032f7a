"""Random draws, literals and texts of Python, and a group of tasks, for Tests/EvaluationTests.

usage: python_values.py OUT.json
needs: lm-eval==0.4.13
"""

import ast
import json
import os
import random
import sys

os.environ["DISABLE_MULTIPROC"] = "1"
from lm_eval.api.metrics import aggregate_subtask_metrics, bootstrap_stderr, mean_stderr, perplexity, pooled_sample_stderr
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

LITERALS = [
    "['a', \"b's\"]", "[1, -2.5, True, None]", "('x',)", "('x')", "[ 'a' 'b' ]", "{'k': ['v', 1e3]}", "[]", "['\\n\\x41\\u00e9\\'']",
    "['a', 'b',]", "[1 2]", "['open", "a", "[a]", "['line\nbreak']", "[[1], (2, 3)]", "007", "12", "-3", " 5", "1_000",
]
VALUES = [
    {"a": 1, "b": [1.0, 1e-05, 1e16, 0.1], "c": None, "d": True}, "tab\t\"quote\" it's \\ é \x7f\x01", ["it's", 'say "x"', "\xa0\u200b🙂"],
    [], {}, 1.5, -0.0, 3, "both ' and \"",
]


def main(out):
    draws = []
    for seed, population, count in [(1234, 10, 3), (1234, 21, 5), (1234, 22, 5), (1234, 84, 6), (1234, 86, 6), (0, 1000, 11),
                                    (42, 5000, 26), (2**40 + 7, 100, 4), (-5, 100, 4), (7, 1, 1)]:
        stream = random.Random(seed)
        draws.append({"seed": seed, "population": population, "count": count,
                      "samples": [stream.sample(range(population), count) for _ in range(3)], "next": stream.random(),
                      "choices": stream.choices(range(population), k=5)})
    literals = []
    for text in LITERALS:
        try:
            literals.append([text, json.dumps(ast.literal_eval(text), ensure_ascii=False)])
        except (SyntaxError, ValueError):
            literals.append([text, None])
    texts = [[value, json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2, ensure_ascii=False), str(value)]
             for value in VALUES]
    windows = [[count, length, [list(map(list, make_disjoint_window(w))) for w in get_rolling_token_windows(
        list(range(100, 100 + count)), 1, length, 1)]] for count, length in [(3, 5), (5, 5), (6, 5), (13, 5), (20, 5), (0, 5)]]
    sums = [-3.7] + [-0.5 * n - 0.1 * (n % 3) for n in range(9)]
    errors = {"values": sums, "mean": mean_stderr(sums), "perplexity": bootstrap_stderr(perplexity, sums, 100000)}
    metrics, sizes = [0.25, 0.5, 1.0], [4, 10, 3]
    stderrs = [0.25, 0.16, 0.0]
    group = {"metrics": metrics, "sizes": sizes, "stderrs": stderrs, "mean": aggregate_subtask_metrics(metrics, sizes),
             "stderr": float(pooled_sample_stderr(stderrs, sizes))}
    with open(out, "w") as file:
        json.dump({"draws": draws, "literals": literals, "texts": texts, "windows": windows, "errors": errors, "group": group},
                  file, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
