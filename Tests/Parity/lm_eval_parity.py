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
import math
import os
import sys
import tempfile
import time

import torch
from lm_eval.api.metrics import aggregate_subtask_metrics, pooled_sample_stderr
from lm_eval.api.model import TemplateLM
from lm_eval.models.huggingface import HFLM

import materials
from figures import Figures
from lm_eval_sides import (
    ANSWERED, BUILT_IN, EXTRA, OWN, SUBJECTS, harness, harness_model, parts, shoal, shoal_command, task, write_documents)

PER_TOKEN, EXACT = 1e-4, 1e-9
LIMITS = {"per_token": PER_TOKEN, "metric": EXACT, "replay": EXACT, "smooth": 1e-3}
# Metrics that go with the log-probs.
SMOOTH = ("perplexity", "bits_per_byte", "brier_score")
CASES = [(shots, chat) for shots in (0, 5) for chat in ("text", "turns", "chat") if shots or chat != "chat"]
materials.SHAPES["narrow"] = dict(
    hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2)


class Replay(TemplateLM):
    """Gives the answers of shoal's samples to lm-eval's requests."""

    backend, tokenizer_name = "causal", "replay"
    apply_chat_template, chat_template_args = HFLM.apply_chat_template, {}
    eot_token_id = property(lambda self: self.tokenizer.eos_token_id)

    def __init__(self, tokenizer, samples):
        super().__init__()
        self.tokenizer, self.answers = tokenizer, {}
        for sample in samples:
            for arguments, responses in zip(requests(sample), sample["resps"], strict=True):
                self.answers[arguments[:2] if isinstance(arguments[-1], str) else arguments[:1]] = responses[0]

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        return self.tokenizer.encode(string)

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(float(sum), greedy == "True") for sum, greedy in (self.answers[request.args] for request in requests)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [float(self.answers[request.args]) for request in requests]

    def generate_until(self, requests, disable_tqdm=False):
        return [self.answers[request.args[:1]] for request in requests]

    _loglikelihood_tokens = None


Replay.__abstractmethods__ = frozenset()


def requests(sample):
    """The arguments of a sample of shoal's, as tuples."""
    return [tuple(arguments.values()) for arguments in sample["arguments"].values()]


class Comparison:
    """One task in one case."""

    def __init__(self, lm):
        self.lm, self.worst, self.ties, self.problems = lm, 0.0, [], []
        self.scores, self.greedy, self.answers = 0, 0, []

    def told(self):
        if self.answers:
            return f"{len(set(self.answers))} different answers of {sum(map(len, self.answers)) / len(self.answers):.0f} characters"
        return f"{self.scores} log-probs, {self.greedy} of greedy answers"

    def differs(self, what, sample, ours, theirs):
        self.problems.append((len(json.dumps(sample["doc"])), what, sample["doc_id"], sample["filter"], ours, theirs))

    def sample(self, ours, theirs):
        if [list(arguments) for arguments in requests(ours)] != [list(arguments) for arguments in theirs["arguments"]]:
            return self.differs("prompts", ours, requests(ours), theirs["arguments"])
        for key in ("doc_id", "filter", "doc_hash", "prompt_hash", "target_hash"):
            if ours[key] != theirs[key]:
                self.differs(key, ours, ours[key], theirs[key])
        tied = False
        for arguments, own, others in zip(requests(ours), ours["resps"], theirs["resps"], strict=True):
            for one, other in zip(own, others, strict=True):
                tied |= self.response(ours, arguments, one, other)
        tied |= self.choice_tied(theirs)
        shown = [str(x) if not isinstance(x, list) else list(map(str, x)) for x in theirs["filtered_resps"]]
        other = [metric for metric in theirs["metrics"] if isinstance(theirs[metric], (int, float))
                 and ours.get(metric) != theirs[metric] and not metric.endswith(SMOOTH)]
        if isinstance(theirs["resps"][0][0], str) and ours["filtered_resps"] != shown:
            other.append("filtered_resps")
        if other and tied:
            self.ties.append(ours["doc_id"])
        for key in other if not tied else []:
            self.differs(key, ours, ours.get(key), theirs[key])

    def response(self, sample, arguments, ours, theirs):
        """Whether rounding decides."""
        if isinstance(theirs, str):
            self.answers.append(ours)
            return ours != theirs and self.text_tied(sample, arguments, ours, theirs)
        ours, theirs = (([float(x[0]), str(x[1])] if isinstance(x, (list, tuple)) else [float(x), ""])
                        for x in (ours, theirs))
        self.worst = max(self.worst, abs(ours[0] - theirs[0]) / self.count(arguments))
        if not abs(ours[0] - theirs[0]) <= PER_TOKEN * self.count(arguments):
            self.differs(f"log-prob of {self.count(arguments)} tokens, {arguments}", sample, ours[0], theirs[0])
        self.scores += 1
        self.greedy += ours[1] == "True"
        if ours[1] == theirs[1]:
            return False
        context, answer = self.lm._encode_pair(*arguments)
        with torch.no_grad():
            best = self.lm.model(torch.tensor([context + answer])).logits[0, len(context) - 1:-1].topk(2).values
        gap = float((best[:, 0] - best[:, 1]).min())
        if gap > PER_TOKEN:
            self.differs(f"greedy, gap {gap}, {arguments}", sample, ours[1], theirs[1])
        return True

    def count(self, arguments):
        if len(arguments) == 1:
            return max(1, len(self.lm.tok_encode(arguments[0])))
        if not arguments[0]:
            return max(1, len(self.lm.tok_encode(arguments[1])))
        return len(self.lm._encode_pair(*arguments[:2])[1])

    def choice_tied(self, sample):
        """Whether two choices are so close that rounding may decide."""
        if not isinstance(sample["resps"][0][0], tuple) or len(sample["resps"]) < 2:
            return False
        for length in (lambda text: 1, lambda text: len(text.lstrip()) or 1, lambda text: len(text.encode().lstrip()) or 1):
            scores = sorted((response[0][0] / length(arguments[1]), PER_TOKEN * self.count(arguments))
                            for response, arguments in zip(sample["resps"], sample["arguments"]))
            if any(0 < b[0] - a[0] < max(a[1], b[1]) for a, b in zip(scores, scores[1:])):
                return True
        return False

    def text_tied(self, sample, arguments, ours, theirs):
        """Whether two scores of the model are close where the answers part."""
        same = os.path.commonprefix([ours, theirs])
        room = self.lm.max_length - arguments[1].get("max_gen_toks", 256)
        prompt = self.lm.tok_encode(arguments[0])[-room:]
        with torch.no_grad():
            output = self.lm.model.generate(
                input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=arguments[1].get("max_gen_toks", 256),
                pad_token_id=0, output_scores=True, return_dict_in_generate=True)
        ids = output.sequences[0, len(prompt):].tolist()
        step = next((n for n in range(len(ids)) if not same.startswith(self.lm.tok_decode(ids[:n + 1]))), len(ids) - 1)
        best = output.scores[step][0].topk(2).values
        gap = float(best[0] - best[1])
        if gap > PER_TOKEN:
            where = f"answers of {len(prompt)} tokens' prompt part at token {step} after {same[-20:]!r}, gap {gap}"
            self.differs(where, sample, ours[len(same):][:60], theirs[len(same):][:60])
        return True


def numbers(results):
    return {key: value for key, value in results.items() if "," in key}


def farthest(ours, theirs, smooth=None):
    """The largest relative difference of metrics; what one side lacks is infinitely far."""
    worst = 0.0
    for key, other in numbers(theirs).items():
        if smooth is not None and key.split(",")[0].replace("_stderr", "").endswith(SMOOTH) != smooth:
            continue
        one = ours.get(key)
        if isinstance(other, float) and isinstance(one, (int, float)):
            worst = max(worst, abs(one - other) / max(1, abs(other)) if math.isfinite(other) else 0.0 if one == other else math.inf)
        elif one != other:
            worst = math.inf
    return worst


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


def compare(figures, label, name, lm, ours, theirs, directory, shots, chat, limit):
    """Reports one task."""
    results, samples = ours
    comparison = Comparison(lm)
    pairs = (sorted(s[name], key=lambda x: (x["filter"], x["doc_id"])) for s in (samples, theirs["samples"]))
    for one, other in zip(*pairs, strict=True):
        comparison.sample(one, other)
    replayed = harness(Replay(lm.tokenizer, samples[name]), [task(name, directory)], shots, chat, limit=limit)
    own, others = results["results"][name], theirs["results"][name]
    facts = [results[key][name] == theirs[key][name] for key in ("n-shot", "n-samples")]
    facts.append(theirs["higher_is_better"][name].items() <= results["higher_is_better"][name].items())
    if not all(facts):
        comparison.problems.append((0, "counts or directions", *(str(r["higher_is_better"][name]) for r in (results, theirs))))
    found = {
        "per_token": comparison.worst, "replay": farthest(own, replayed["results"][name]),
        "same": not comparison.problems and own["sample_len"] == others["sample_len"]}
    if comparison.ties:
        print(f"{label}: rounding decides in documents {comparison.ties}")
    else:
        found["metric"] = farthest(own, others, smooth=False)
    if any(key.split(",")[0].endswith(SMOOTH) for key in numbers(others)):
        found["smooth"] = farthest(own, others, smooth=True)
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
    start = os.path.basename(os.path.dirname(os.path.abspath(model)) if model.endswith("/model") else model)
    lm = harness_model(model, adapter)
    if "lambada_openai" in options.tasks:
        add_greedy(lm, directory)
    for shots, chat in CASES if not adapter else [(0, "text"), (5, "turns")]:
        if options.cases and f"{shots}-{chat}" not in options.cases:
            continue
        out = os.path.join(directory, f"{shots}-{chat}")
        command = shoal_command(
            options.shoal, model, directory, options.tasks, shots, chat, out, adapter=adapter, threads=options.threads,
            limit=options.limit)
        begun = time.perf_counter()
        ours = shoal(command, out)
        seconds = time.perf_counter() - begun
        for name in options.tasks:
            lm.batch_size_per_gpu = options.batch if name in ANSWERED else 1
            theirs = harness(lm, [task(part, directory) for part in parts(name)], shots, chat, limit=options.limit)
            for part in parts(name):
                label = f"{start}{' lora' if adapter else ''} {shots} {chat} {part}"
                compare(figures, label, part, lm, ours, theirs, directory, shots, chat, options.limit)
        if "mmlu" in options.tasks:
            compare_groups(figures, f"{start} {shots} {chat} groups of mmlu", ours[0])
        print(f"{start} {shots} {chat}: shoal {seconds:.0f} s, all {time.perf_counter() - begun:.0f} s", flush=True)
        if options.ranks > 1:
            same_on_ranks(figures, f"{start} {shots} {chat} on {options.ranks} ranks", command, out, options.ranks, ours[0])


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
