"""Seconds per step of full fine-tuning: Shoal beside hand-written PyTorch (torch_full.py) on the 0.5B shape, in turn.

usage: full_speed.py --shoal BINARY [--work DIR] [--only dpo sft pretrain] [options]

Random weights of Qwen2-0.5B's shape with the real vocabulary. DPO: pairs of 900-1800 prompt tokens, 150-450 chosen,
100-300 rejected; SFT: their chosen completions; continued pre-training: two sequences of 1024 tokens per step. Both
sides take the same records in the same order, in float32, with all threads, AdamW, clipping and no recomputation, and
the first step of each run is not counted. Other tenants change a machine's speed within minutes, so the sides take
turns: Shoal, PyTorch, Shoal, PyTorch. Losses are printed, because they must agree; memory is the sampled peak.
About twenty minutes per kind on two cores; 24 GB of memory.
"""
import argparse
import json
import os
import random
import statistics
import sys
import tempfile

import materials
from beside import timed
from full_parity import SAVE_DTYPE_KEY, write_entries
from torch_side import read_lines, write_lines

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS, SEQUENCE = ("dpo", "sft", "pretrain"), 1024


def make_inputs(work, size, records):
    """The model, and as many records of each kind."""
    model = os.path.join(work, "model")
    if not os.path.exists(os.path.join(model, "tokenizer.json")):
        with tempfile.TemporaryDirectory() as tokenizer:
            materials.write_tokenizer(tokenizer)
            materials.write_checkpoint(model, size, tokenizer)
    pairs = os.path.join(work, "dpo.jsonl")
    materials.write_pairs(pairs, model, records, seed=3)
    write_lines(os.path.join(work, "sft.jsonl"), [
        {"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in read_lines(pairs)])
    write_lines(os.path.join(work, "pretrain.jsonl"), texts(model, 2 * records))
    return model


def texts(model, count):
    """Texts that are SEQUENCE tokens with the end-of-text token, or a few less."""
    from transformers import AutoTokenizer
    tokenizer, draw = AutoTokenizer.from_pretrained(model), random.Random(4)
    ids, found = tokenizer(materials.text_of(()), verbose=False)["input_ids"], []
    while len(found) < count:
        start = draw.randrange(len(ids) - SEQUENCE)
        text = tokenizer.decode(ids[start:start + SEQUENCE - 1])
        if SEQUENCE - 4 <= len(tokenizer(text)["input_ids"]) < SEQUENCE:
            found.append({"text": text})
    return found


def run_shoal(arguments, work, model, kind):
    with tempfile.TemporaryDirectory() as scratch:  # no cache of an earlier run
        out, data = os.path.join(scratch, "run"), {"path": os.path.join(work, f"{kind}.jsonl"), "ds_type": "json"}
        entries = {
            "base_model": model, "datasets": [{**data, "type": "completion"} if kind == "pretrain" else data],
            "sequence_len": SEQUENCE if kind == "pretrain" else 4096, "micro_batch_size": batch(arguments, kind),
            "max_steps": arguments.steps, "shuffle_merged_datasets": False, "curriculum_sampling": True,
            "optimizer": "adamw_torch", "learning_rate": 1e-7, "lr_scheduler": "constant", "weight_decay": 0.0,
            "max_grad_norm": 1.0, SAVE_DTYPE_KEY: "bf16", "output_dir": out,
            **({"rl": "dpo", "rl_beta": 0.1} if kind == "dpo" else {}), **dict(arguments.set)}
        config = write_entries(os.path.join(scratch, "config.yaml"), entries)
        command = [os.path.abspath(arguments.shoal), "train", config, "--threads", str(arguments.threads)]
        _, seconds, memory = timed(command, {"SHOAL_CACHE": os.path.join(scratch, "cache")})
        log = [entry for entry in read_lines(os.path.join(out, "metrics.jsonl")) if "step_seconds" in entry]
    return [entry["step_seconds"] for entry in log], [entry["loss"] for entry in log], seconds, memory


def run_torch(arguments, work, model, kind):
    options = ["--batch", str(batch(arguments, kind)), "--steps", str(arguments.steps), "--threads", str(arguments.threads)]
    if arguments.shared_prompt:
        options.append("--shared-prompt")
    output, seconds, memory = timed([
        sys.executable, os.path.join(HERE, "torch_full.py"), model, os.path.join(work, f"{kind}.jsonl"), kind, *options])
    found = json.loads(output.splitlines()[-1])
    return found["step_seconds"], found["loss"], seconds, memory


def batch(arguments, kind):
    return 2 * arguments.batch if kind == "pretrain" else arguments.batch


def compare(arguments, work, model, kind):
    found = {"shoal": [], "torch": []}
    for name in ("shoal", "torch") * arguments.rounds:
        if name == "shoal" and not arguments.shoal:
            continue
        steps, losses, seconds, memory = (run_shoal if name == "shoal" else run_torch)(arguments, work, model, kind)
        counted = steps[1:] or steps
        found[name].append(statistics.fmean(counted))
        print(f"{kind:<9} {name:<6} {found[name][-1]:8.2f} s/step  steps {', '.join(f'{s:.1f}' for s in steps)}  "
              f"whole run {seconds:.0f} s, {memory:.1f} GB  losses {', '.join(f'{loss:.4f}' for loss in losses)}", flush=True)
    if arguments.shoal:
        ratios = [b / a for a, b in zip(found["shoal"], found["torch"])]
        mean = statistics.fmean(found["torch"]) / statistics.fmean(found["shoal"])
        print(f"{kind:<9} shoal is {mean:.2f} times as fast as torch ({', '.join(f'{r:.2f}' for r in ratios)})", flush=True)


def setting(text):
    key, _, value = text.partition("=")
    return key, json.loads(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shoal", metavar="BINARY", help="without it: PyTorch alone")
    parser.add_argument("--work", help="where the model stays, made once; default: a temporary directory")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--size", choices=materials.SHAPES, default="0.5b")
    parser.add_argument("--batch", type=int, default=1, help="records per step; pre-training takes twice as many")
    parser.add_argument("--steps", type=int, default=3, help="the first is not counted")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shared-prompt", action="store_true", help="PyTorch computes a pair's prompt once")
    parser.add_argument("--set", nargs="*", type=setting, default=[], metavar="KEY=JSON", help="keys of Shoal's configuration")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(arguments.work or scratch)
        os.makedirs(work, exist_ok=True)
        model = make_inputs(work, arguments.size, arguments.steps * arguments.batch)
        for kind in arguments.only:
            compare(arguments, work, model, kind)


if __name__ == "__main__":
    main()
