"""Adapters of every kind that PEFT saves, through the built program: read as PEFT reads them, or refused for a reason.

usage: peft_variants.py SHOAL          (versions: requirements.txt)

The variants are those of Tests/Fixtures/peft_adapters.py, saved by PEFT for the tiny model of the tests. For each that
is read: `shoal score` with the adapter, and with its export merged in f32, against PEFT, per token. For each that is
refused: exit code 64 and a message that names the reason. For some: three steps of DPO from the adapter on one rank and on
three against torch, and PEFT loads the result. Prints a table; exits 1 when something is beyond its limit.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.update(HF_HUB_OFFLINE="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures")
sys.path.insert(0, FIXTURES)

import torch
from peft import PeftModel
from safetensors.torch import load_file

import peft_adapters
import tiny_model
from figures import Figures

# Per token in nats, as a mean over all tokens; weights relative to the largest of their matrix; gradients and updates
# relative to their norms.
LIMITS = {"log-probs": 1e-6, "merged": 1e-6, "merged weights": 1e-6, "gradient": 1e-4, "update": 1e-2, "loss": 1e-3}
TRAINED = ["both-patterns", "rslora-patterns", "some-layers", "exclude-pattern", "whole-paths", "adapter-name"]
SCHEDULE = {"lr_scheduler": "constant", "learning_rate": 1e-3, "warmup_steps": 0, "steps": 3}
BATCH = 4

shoal = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp()
pairs = os.path.join(FIXTURES, "tiny", "pairs.jsonl")
trees = json.load(open(os.path.join(FIXTURES, "tiny", "cases.json")))["cases"]["text"]["trees"]
table = Figures(LIMITS, width=26)
report = table.report


def run(*arguments, launcher=()):
    return subprocess.run([*launcher, shoal, *arguments], capture_output=True, text=True, cwd=work)


def scored(model, adapter=None):
    """Log-prob sums of all completions as the program finds them."""
    out = os.path.join(work, "scores.jsonl")
    if os.path.exists(out):
        os.remove(out)
    done = run("score", "--model", model, "--data", pairs, "--out", out, *(["--adapter", adapter] if adapter else []))
    if done.returncode:
        raise AssertionError(done.stderr)
    lines = [json.loads(line) for line in open(out)]
    return [line[side] for line in lines for side in ("chosen", "rejected")]


def distance(found, expected):
    assert [f["tokens"] for f in found] == [len(e) for e in expected]
    return sum(abs(f["logp"] - sum(e)) for f, e in zip(found, expected)) / sum(map(len, expected))


def compare(name, as_peft, directory):
    with tiny_model.float64_throughout():
        expected = [c for tree in peft_adapters.log_probs(as_peft, trees) for c in tree]
    merged = os.path.join(work, f"{name}-merged")
    exported = run(
        "export", "--model", peft_adapters.BASE, "--adapter", directory, "--format", "merged", "--dtype", "f32", "--out", merged)
    assert exported.returncode == 0, exported.stderr
    theirs = dict(PeftModel.from_pretrained(
        tiny_model.load(peft_adapters.BASE, None, torch.float32), as_peft).merge_and_unload().named_parameters())
    ours = load_file(os.path.join(merged, "model.safetensors"))
    report(name, **{
        "log-probs": distance(scored(peft_adapters.BASE, directory), expected), "merged": distance(scored(merged), expected),
        "merged weights": max(((ours[n] - p).abs().max() / p.abs().max()).item() for n, p in theirs.items())})


def norm(tensors):
    return sum(t.double().square().sum().item() for t in tensors) ** 0.5


def train(name, as_peft, directory):
    """Three steps from the adapter; the reference is the base."""
    def settings(out):
        return {
            "base_model": peft_adapters.BASE, "adapter": "lora", "lora_model_dir": directory, "rl": "dpo",
            "rl_beta": tiny_model.BETA, "rl_adapter_ref_model": False, "datasets": [{"path": pairs, "ds_type": "json"}],
            "micro_batch_size": BATCH, "max_steps": SCHEDULE["steps"], "learning_rate": SCHEDULE["learning_rate"],
            "lr_scheduler": "constant", "weight_decay": tiny_model.ADAMW["weight_decay"],
            "max_grad_norm": tiny_model.MAX_GRAD_NORM, "shuffle_merged_datasets": False, "curriculum_sampling": True,
            "output_dir": out}
    outs = []
    for ranks in (1, 3):
        out = os.path.join(work, f"{name}-trained-{ranks}")
        config = out + ".yaml"
        with open(config, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in settings(out).items())
        mpirun = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
        done = run("train", config, launcher=mpirun)
        assert done.returncode == 0, done.stderr
        outs.append(out)
    hashes = {hashlib.sha256(open(os.path.join(o, "adapter_model.safetensors"), "rb").read()).hexdigest() for o in outs}

    debug = os.path.join(work, f"{name}-debug")
    done = run("train", "--debug", config, "max_steps=1", f"output_dir={debug}")
    assert done.returncode == 0, done.stderr
    ours = load_file(os.path.join(debug, "gradients.safetensors"))
    with tiny_model.float64_throughout():
        model = tiny_model.load(peft_adapters.BASE, as_peft, torch.float64)
        gradient = tiny_model.gradients(model, trees[:BATCH])
        start = {n: p.detach().clone() for n, p in tiny_model.trainable(model).items()}
        steps = tiny_model.adamw_steps(model, trees, BATCH, SCHEDULE)
        final = {n: p.detach() for n, p in tiny_model.trainable(model).items()}
    found = load_file(os.path.join(outs[0], "adapter_model.safetensors"))
    metrics = [m for m in map(json.loads, open(os.path.join(outs[0], "metrics.jsonl"))) if "loss" in m]
    # PEFT loads what was written: every tensor finds its place, and no place is left.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded = PeftModel.from_pretrained(
            tiny_model.load(peft_adapters.BASE, None, torch.float32), outs[0], is_trainable=True)
    places = tiny_model.trainable(loaded)
    loads = places.keys() == found.keys() and all(torch.equal(places[n], found[n]) for n in found)
    loads = loads and not any("adapter keys" in str(w.message) for w in caught)
    with tiny_model.float64_throughout():
        expected = [c for tree in peft_adapters.log_probs(outs[0], trees) for c in tree]
    report(f"{name}, trained", **{
        "gradient": max(norm([ours[n].double() - g]) / norm([g]) for n, g in gradient.items()),
        "update": norm([found[n].double() - final[n] for n in final]) / norm([final[n] - start[n] for n in final]),
        "loss": max(abs(m["loss"] - s["loss"]) / s["loss"] for m, s in zip(metrics, steps)),
        "log-probs": distance(scored(peft_adapters.BASE, outs[0]), expected),
        "same tensors": ours.keys() == gradient.keys() == found.keys() and len(metrics) == len(steps),
        "same bits on 3 ranks": len(hashes) == 1, "PEFT loads it": loads})


def main():
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"limits: {LIMITS}")
    for name, variant in peft_adapters.READ.items():
        as_peft = os.path.join(work, name)
        directory = peft_adapters.make(as_peft, variant)
        compare(name, as_peft, directory)
        if name in TRAINED:
            train(name, as_peft, directory)
    as_peft = os.path.join(work, "plain")
    for name, (variant, reason) in peft_adapters.REFUSED.items():
        directory = peft_adapters.make(os.path.join(work, name), variant)
        done = run("score", "--model", peft_adapters.BASE, "--adapter", directory, "--data", pairs, "--out", "no.jsonl")
        report(name, refused=done.returncode == 64, reason=reason in done.stderr)
        print(f"{'':26s} {done.stderr.strip()[:300]}")
    print(f"{len(peft_adapters.READ)} read, {len(peft_adapters.REFUSED)} refused; {table.failures} failures")
    sys.exit(table.failures > 0)


main()
