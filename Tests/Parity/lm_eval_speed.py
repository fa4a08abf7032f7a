"""Seconds of `shoal evaluate` and of lm-eval 0.4.13's hf model on the same items, in turn.

usage: lm_eval_speed.py SHOAL MODEL [--tasks mmlu gsm8k_cot arc_easy hellaswag] [--batches 1 4 16] [--threads 2]
needs: lm-eval==0.4.13 torch transformers datasets==5.2.0 jinja2==3.1.6

MODEL is a checkpoint of the 0.5B shape (materials.py). Tasks, in made-up text of the usual lengths: mmlu with 5 examples,
one subject; gsm8k_cot with its 8 fixed examples and answers of 64 tokens (random weights hardly ever stop, and 256 say
no more); arc_easy and hellaswag without examples. lm-eval runs in float32 and in bfloat16, each at the batch size that
is the fastest for a part of the items. Shoal runs before and after each of these, and a ratio compares with the mean
of its two neighbours, since a machine's speed changes within minutes.

Counted are: for lm-eval what its loaded model takes for all requests, tokenising included; for shoal the whole process
less one with one item of some tokens without examples, which is what starting and loading takes.
"""
import argparse
import math
import os
import sys
import tempfile
import time

import torch
import yaml

from lm_eval_items import Items
from lm_eval_sides import HFLM, harness, local_task, shoal, shoal_command, write

SIZES = {"mmlu": 40, "gsm8k_cot": 16, "arc_easy": 60, "hellaswag": 40}
SHOTS = {"mmlu": 5, "gsm8k_cot": 8, "arc_easy": 0, "hellaswag": 0}
GOALS = {"mmlu": 10, "gsm8k_cot": 10, "arc_easy": 3, "hellaswag": 3}
NEW_TOKENS = 64


def tried_items(name, batch):
    """Items of which a batch can be filled: arc_easy and hellaswag have four requests each."""
    return min(SIZES[name], max(4, batch) if GOALS[name] == 10 else max(6, batch // 2))


class TimedModel(HFLM):
    """lm-eval's hf model, which counts the seconds of its answers."""

    def timed(self, method, requests):
        start = time.perf_counter()
        found = method(requests)
        self.seconds += time.perf_counter() - start
        return found

    def loglikelihood(self, requests, **settings):
        return self.timed(super().loglikelihood, requests)

    def generate_until(self, requests, **settings):
        return self.timed(super().generate_until, requests)


def documents(name, items, count):
    if name == "mmlu":
        return [items.mmlu(number, "anatomy", (26, 40)) for number in range(count)]
    if name == "gsm8k_cot":
        return [items.gsm8k(number, (28, 50)) for number in range(count)]
    found = [getattr(items, name)(number) for number in range(count)]
    for document in found:
        if name == "hellaswag":  # of the usual length
            document.update(ctx_a=items.text(15, 40), endings=[items.text(10, 22) for _ in range(4)])
    return found


class Materials:
    """One task: its files, its configuration for lm-eval, its command for shoal."""

    def __init__(self, name, options, directory):
        self.name, self.part, self.options, self.directory = name, "mmlu_anatomy" if name == "mmlu" else name, options, directory
        items = Items(7)
        if name == "mmlu":
            for file in ("mmlu.pool.jsonl", "mmlu_anatomy.pool.jsonl"):
                write(os.path.join(directory, file), documents(name, Items(8), SHOTS[name]))
        made = documents(name, items, SIZES[name])
        for file in {name, self.part}:
            write(os.path.join(directory, file + ".jsonl"), made)
        self.config = local_task(self.part, directory, pool=name == "mmlu")
        if name == "gsm8k_cot":
            self.config["generation_kwargs"]["max_gen_toks"] = NEW_TOKENS
            with open(os.path.join(directory, name + ".yaml"), "w") as file:
                yaml.safe_dump(self.config, file, allow_unicode=True)

    def lm_eval(self, lm, batch, limit=None):
        lm.batch_size_per_gpu, lm.seconds = batch, 0.0
        found = harness(lm, [self.config], SHOTS[self.name], "text", limit=limit)
        return lm.seconds, found

    def shoal(self, loading):
        out = os.path.join(self.directory, "out")
        command = shoal_command(
            self.options.shoal, self.options.model, self.directory, [self.name], SHOTS[self.name], "text", out,
            threads=self.options.threads)
        if self.name == "mmlu":
            command += ["--fewshot", os.path.join(self.directory, "mmlu.pool.jsonl")]
        if self.name == "gsm8k_cot":
            place = command.index("--task")
            command[place:place + 2] = ["--task-file", os.path.join(self.directory, "gsm8k_cot.yaml")]
        start = time.perf_counter()
        found = shoal(command, out)
        return time.perf_counter() - start - loading, found


def loading(options, directory):
    """What starting and loading takes: the fastest of three."""
    write(os.path.join(directory, "winogrande.jsonl"), [Items(9).winogrande(0)])
    out = os.path.join(directory, "loading")
    command = shoal_command(
        options.shoal, options.model, directory, ["winogrande"], 0, "text", out, threads=options.threads)

    def once():
        start = time.perf_counter()
        shoal(command, out)
        return time.perf_counter() - start
    return min(once() for _ in range(3))


def processor():
    with open("/proc/cpuinfo") as file:
        lines = file.read().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{name}, {os.cpu_count()} processors, {' '.join(units)}"


def lengths(lm, samples):
    """Mean tokens of the prompts."""
    counts = [len(lm.tok_encode(arguments[0])) for sample in samples for arguments in sample["arguments"]]
    return sum(counts) / len(counts)


def agreement(ours, theirs):
    """Metrics that differ, so that nobody compares the speed of different work; bfloat16 may."""
    keys = [key for key in theirs if "," in key and "stderr" not in key]
    return max(abs(ours[key] - theirs[key]) for key in keys)


def measure(name, options, models, load, directory):
    """All runs of a task; the ratios by type."""
    materials = Materials(name, options, directory)
    best = {}
    for dtype, lm in models.items():
        tried = {batch: materials.lm_eval(lm, batch, tried_items(name, batch))[0] / tried_items(name, batch)
                 for batch in options.batches}
        best[dtype] = min(tried, key=tried.get)
        print(f"{name}: lm-eval {dtype}: "
              + ", ".join(f"{seconds:.2f} s an item in batches of {batch}" for batch, seconds in tried.items()), flush=True)
    ratios = {}
    before, (ours, _) = materials.shoal(load)
    for dtype, lm in models.items():
        for _ in range(options.rounds):
            seconds, theirs = materials.lm_eval(lm, best[dtype])
            after, _ = materials.shoal(load)
            ratios.setdefault(dtype, []).append(seconds / ((before + after) / 2))
            far = agreement(ours["results"][materials.part], theirs["results"][materials.part])
            print(f"{name}: {SIZES[name]} items, prompts of {lengths(lm, theirs['samples'][materials.part]):.0f} tokens; lm-eval "
                  f"{dtype} in batches of {best[dtype]}: {seconds:.1f} s; shoal: {before:.2f} and {after:.2f} s; "
                  f"{ratios[dtype][-1]:.2f} times as fast; metrics differ by {far:.2g}", flush=True)
            before = after
    return {dtype: math.fsum(found) / len(found) for dtype, found in ratios.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("--tasks", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--types", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.model = os.path.abspath(options.model)
    print(processor(), flush=True)
    slow = 0
    with tempfile.TemporaryDirectory() as directory:
        load = loading(options, directory)
        print(f"starting and loading shoal: {load:.2f} s, not counted below", flush=True)
        models = {dtype: TimedModel(pretrained=options.model, dtype=dtype, device="cpu") for dtype in options.types}
        for name in options.tasks:
            for dtype, ratio in measure(name, options, models, load, directory).items():
                wanted = GOALS[name] if dtype == "float32" else 0
                slow += ratio < wanted
                print(f"{name}: shoal is {ratio:.2f} times as fast as lm-eval in {dtype}"
                      f"{f', wanted {wanted}' if wanted else ''}{'   FAILED' if ratio < wanted else ''}", flush=True)
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main())
