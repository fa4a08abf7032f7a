"""Compares `shoal evaluate` with lm-eval 0.4.13's own hf model in float32, item by item.

usage: lm_eval_parity.py SHOAL MODEL [MODEL …] [--random TOKENIZER_DIR] [--adapter] [--ranks 3] [options]
needs: lm-eval==0.4.13 torch transformers peft datasets==5.2.0 jinja2==3.1.6

--random adds a checkpoint of random weights (4 layers, 128 wide) with the tokenizer of a directory; --adapter makes a
LoRA of PEFT's for each model and evaluates with it; --ranks also runs shoal under mpirun and compares its files.

Documents: the hand-made ones of the fixtures, those of --data NAME=FILE, and made-up ones. For each task, 0 and 5
examples, as text, as a chat, and as a chat with the examples in turns of their own, these must be the same: prompts,
continuations, hashes, whether an answer is the greedy one, greedy answers, filtered answers, every document's metrics;
and to a limit: log-probs, 1e-4 for each token; metrics and standard errors 1e-9, unless documents are told whose
scores are closer than that (a tie), or the metric goes with the log-probs, which is then held to their limit. Last,
lm-eval computes its metrics from shoal's answers: 1e-9 for all of them.
"""
import argparse
import json
import os
import sys
import tempfile
import time

import torch
from lm_eval.api.metrics import aggregate_subtask_metrics, pooled_sample_stderr

import materials
from figures import Figures
from lm_eval_comparison import PER_TOKEN, Comparison, Replay, farthest, has_smooth
from lm_eval_sides import (
    ANSWERED, BUILT_IN, OWN, SUBJECTS, harness, harness_model, parts, shoal, shoal_command, task, write_documents)

EXACT = 1e-9
LIMITS = {"per_token": PER_TOKEN, "metric": EXACT, "replay": EXACT, "smooth": 1e-3}
CASES = [(shots, chat) for shots in (0, 5) for chat in ("text", "turns", "chat") if shots or chat != "chat"]
materials.SHAPES["narrow"] = dict(
    hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2)


def add_greedy(lm, directory, count=10):
    """Adds texts to lambada_openai whose last word is the one that the model would say."""
    with open(os.path.join(directory, "lambada_openai.jsonl"), "r+") as file:
        for line in file.readlines()[-40:]:
            context = " ".join(["So", *json.loads(line)["text"].split()[:-1]])
            with torch.no_grad():
                word = lm.tok_decode([int(lm.model(torch.tensor([lm.tok_encode(context)])).logits[0, -1].argmax())])
            if count and word.startswith(" ") and word.strip() and len(word.split(" ")) == 2:
                file.write(json.dumps({"text": context + word, "domain": None}) + "\n")
                count -= 1


def compare(figures, label, name, lm, ours, theirs, directory, shots, chat, settings):
    """Reports one task."""
    results, samples = ours
    comparison = Comparison(lm)
    pairs = (sorted(s[name], key=lambda x: (x["filter"], x["doc_id"])) for s in (samples, theirs["samples"]))
    for one, other in zip(*pairs, strict=True):
        comparison.sample(one, other)
    replayed = harness(Replay(lm.tokenizer, samples[name]), [task(name, directory)], shots, chat, **settings)
    facts = [results[key][name] == theirs[key][name] for key in ("n-shot", "n-samples")]
    facts.append(theirs["higher_is_better"][name].items() <= results["higher_is_better"][name].items())
    if not all(facts):
        comparison.problems.append((0, "counts or directions", *(str(r["higher_is_better"][name]) for r in (results, theirs))))
    own, others = results["results"][name], theirs["results"][name]
    errors = settings.get("bootstrap_iters") != 0
    found = {
        "per_token": comparison.worst, "replay": farthest(own, replayed["results"][name], errors=errors),
        "same": not comparison.problems and own["sample_len"] == others["sample_len"]}
    if comparison.ties:
        print(f"{label}: rounding decides in documents {comparison.ties}")
    else:
        found["metric"] = farthest(own, others, smooth=False, errors=errors)
    if has_smooth(others):
        found["smooth"] = farthest(own, others, smooth=True, errors=errors)
    figures.report(f"{label} ({len(samples[name])} samples, {comparison.told()})", **found)
    for problem in sorted(comparison.problems, key=lambda problem: problem[0])[:3]:
        print("   ", *(str(part)[:600] for part in problem[1:]), sep=" | ")
    if len(comparison.problems) > 3:
        print(f"    and {len(comparison.problems) - 3} others")


def compare_groups(figures, label, results):
    """The mean over subjects, by lm-eval's functions."""
    subjects = [results["results"][f"mmlu_{subject}"] for subject in SUBJECTS]
    sizes = [subject["sample_len"] for subject in subjects]
    mean = aggregate_subtask_metrics([subject["acc,none"] for subject in subjects], sizes)
    error = pooled_sample_stderr([subject["acc_stderr,none"] for subject in subjects], sizes)
    figures.report(label, metric=farthest(
        results["groups"]["mmlu"], {"acc,none": mean, "acc_stderr,none": error}))


def same_on_ranks(figures, label, command, out, ranks, first):
    """Byte for byte but for times."""
    launch = ["mpirun", "--oversubscribe", "-n", str(ranks)]
    texts = []
    for prefix, again in ((out, False), (out + "-ranks", True)):
        if again:
            shoal([part.replace(out, prefix) for part in command], prefix, launch)
        with open(prefix + ".json") as file:
            lines = [line for line in file if not line.lstrip().startswith(('"date"', '"total_evaluation_time_seconds"'))]
        samples = []
        for name in sorted(first["configs"]):
            with open(os.path.join(prefix, f"samples_{name}.jsonl"), "rb") as file:
                samples.append(file.read())
        texts.append((lines, samples))
    figures.report(label, results=texts[0][0] == texts[1][0], samples=texts[0][1] == texts[1][1])


def run(figures, options, model, adapter, directory):
    """All cases of a model."""
    lm = harness_model(model, adapter)
    if "lambada_openai" in options.tasks:
        add_greedy(lm, directory)
    for shots, chat in CASES if not adapter else [(0, "text"), (5, "turns")]:
        if not options.cases or f"{shots}-{chat}" in options.cases:
            run_case(figures, options, lm, model, adapter, directory, shots, chat)


def run_case(figures, options, lm, model, adapter, directory, shots, chat):
    model_name = os.path.abspath(model).removesuffix("/model").split("/")[-1]
    label = f"{model_name}{' lora' if adapter else ''} {shots} {chat}"
    out = os.path.join(directory, f"{shots}-{chat}")
    command = shoal_command(
        options.shoal, model, directory, options.tasks, shots, chat, out, adapter=adapter, threads=options.threads,
        limit=options.limit)
    start = time.perf_counter()
    ours = shoal(command, out)
    seconds = time.perf_counter() - start
    for name in options.tasks:
        lm.batch_size_per_gpu = options.batch if name in ANSWERED else 1
        settings = {"limit": options.limit}
        try:
            theirs = harness(lm, [task(part, directory) for part in parts(name)], shots, chat, **settings)
        except OverflowError:  # in the resampling of a perplexity that leaves no room for its square
            print(f"{label} {name}: lm-eval fails to compute a standard error, which is not compared")
            settings["bootstrap_iters"] = 0
            theirs = harness(lm, [task(part, directory) for part in parts(name)], shots, chat, **settings)
        for part in parts(name):
            compare(figures, f"{label} {part}", part, lm, ours, theirs, directory, shots, chat, settings)
    if "mmlu" in options.tasks:
        compare_groups(figures, f"{label} groups of mmlu", ours[0])
    print(f"{label}: shoal {seconds:.0f} s, all {time.perf_counter() - start:.0f} s", flush=True)
    if options.ranks > 1:
        same_on_ranks(figures, f"{label} on {options.ranks} ranks", command, out, options.ranks, ours[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--random", metavar="TOKENIZER_DIR")
    parser.add_argument("--adapter", action="store_true")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--tasks", nargs="+", choices=BUILT_IN + OWN, default=BUILT_IN + OWN)
    parser.add_argument("--cases", nargs="+", choices=[f"{shots}-{chat}" for shots, chat in CASES])
    parser.add_argument("--items", type=int, default=100, help="made-up documents of each task")
    parser.add_argument("--programs", type=int, default=10, help="made-up documents of humaneval: 1,024 tokens each")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=FILE", help="more documents of a task")
    parser.add_argument("--limit", type=int, help="only the first documents of each task")
    parser.add_argument("--batch", type=int, default=8, help="prompts that lm-eval answers at a time")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = Figures(LIMITS, 70)
    with tempfile.TemporaryDirectory() as work:
        models = [os.path.abspath(model) for model in options.models]
        if options.random:
            models.append(os.path.join(work, "random"))
            materials.write_checkpoint(models[-1], "narrow", options.random)
        for place, model in enumerate(models):
            directory = os.path.join(work, str(place))
            os.makedirs(directory)
            write_documents(
                directory, options.tasks, options.items, options.programs, dict(x.split("=", 1) for x in options.data))
            run(figures, options, model, None, directory)
            if options.adapter:
                materials.write_adapter(os.path.join(directory, "lora"), model, 8, 16)
                run(figures, options, model, os.path.join(directory, "lora"), directory)
    print(f"{figures.failures} figures failed")
    return bool(figures.failures)


if __name__ == "__main__":
    sys.exit(main())
