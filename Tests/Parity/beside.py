"""Pairs per second of Shoal, of TRL + PEFT and of hand-written PyTorch on the same pairs, run in turn.

usage: beside.py SHOAL_BINARY MODEL PAIRS.jsonl [options]
       beside.py .build/release/shoal W/model W/pairs.jsonl --pairs 3
       beside.py .build/release/shoal W/model W/pairs.jsonl --pairs 2 --epochs 2 --against trl-kept-precomputed

MODEL and PAIRS.jsonl can be made by materials.py. Other tenants change a machine's speed within minutes, so Shoal
runs before and after each of the others, and a ratio compares with the mean of its two neighbours.

Counted are: for Shoal the whole process, from launch to exit; for the others only their steps and their reference
pass, without imports, loading and tokenising. Memory is the sampled peak of what the processes hold, pages they
share counted once.
"""
import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import materials

HERE = os.path.dirname(os.path.abspath(__file__))
OTHERS = {
    "trl": ("trl_dpo.py", []),
    "trl-kept": ("trl_dpo.py", ["--no-checkpointing"]),
    "trl-kept-precomputed": ("trl_dpo.py", ["--no-checkpointing", "--precompute"]),
    "torch": ("torch_dpo.py", []),
}


def timed(command, environment=None):
    """Runs a command: (its output, seconds, peak of memory in GB)."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **(environment or {})})
    peak = PeakMemory(process.pid)
    output, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{shlex.join(command)}: exit {process.returncode}\n{errors[-3000:]}")
    return output, time.perf_counter() - start, peak.gigabytes()


class PeakMemory:
    """Peak of the summed proportional memory (PSS) of a process and its descendants, sampled."""

    def __init__(self, pid):
        self.pid, self.bytes, self.done = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.done.wait(10.0):  # the kernel walks all pages for it
            self.bytes = max(self.bytes, sum(map(self.proportional, self.family(self.pid))))

    def family(self, pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                children = [int(child) for child in file.read().split()]
        except OSError:
            children = []
        return [pid, *itertools.chain.from_iterable(map(self.family, children))]

    def proportional(self, pid):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        except OSError:
            return 0

    def gigabytes(self):
        self.done.set()
        self.thread.join()
        return self.bytes / 1e9


def run_shoal(arguments, pairs_file):
    with tempfile.TemporaryDirectory() as scratch:  # no cache of an earlier run
        out, config = os.path.join(scratch, "run"), os.path.join(scratch, "config.yaml")
        entries = {
            "base_model": os.path.abspath(arguments.model), "adapter": "lora", "lora_r": arguments.rank,
            "lora_alpha": 2 * arguments.rank, "lora_target_modules": materials.ALL_LINEARS, "rl": "dpo",
            "rl_beta": 0.1, "datasets": [{"path": pairs_file, "ds_type": "json"}], "sequence_len": 2048,
            "micro_batch_size": arguments.batch, "num_epochs": arguments.epochs,
            "shuffle_merged_datasets": False, "curriculum_sampling": True, "optimizer": "adamw_torch",
            "learning_rate": 5e-5, "lr_scheduler": "cosine", "warmup_steps": 0, "weight_decay": 0.0,
            "max_grad_norm": 1.0, "output_dir": out}
        with open(config, "w") as file:
            file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
        command = [*shlex.split(arguments.launch), os.path.abspath(arguments.shoal), "train", config]
        if arguments.threads:
            command += ["--threads", str(arguments.threads)]
        _, seconds, memory = timed(command, {"SHOAL_CACHE": os.path.join(scratch, "cache")})
        with open(os.path.join(out, "metrics.jsonl")) as file:
            lines = [entry for entry in map(json.loads, file) if "step_seconds" in entry]
    return {
        "seconds": seconds, "steps": sum(line["step_seconds"] for line in lines), "memory_gb": memory,
        "loss": [line["loss"] for line in lines]}


def run_other(name, arguments, pairs_file):
    script, options = OTHERS[name]
    output, _, memory = timed([
        sys.executable, os.path.join(HERE, script), arguments.model, pairs_file, "--batch", str(arguments.batch),
        "--epochs", str(arguments.epochs), "--rank", str(arguments.rank), *options])
    found = json.loads(output.splitlines()[-1])
    if found["pairs"] != arguments.pairs:
        sys.exit(f"{name} dropped {arguments.pairs - found['pairs']} pairs that are longer than its limit")
    steps = sum(found["step_seconds"])
    return {
        "seconds": steps + found["reference_seconds"], "steps": steps, "memory_gb": memory, "loss": found["loss"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("pairs_file")
    parser.add_argument("--pairs", type=int, default=3, help="how many of the file's pairs")
    parser.add_argument("--skip", type=int, default=0, help="how many to leave out before them")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1, help="pairs per optimizer step")
    parser.add_argument("--rank", type=int, default=32, help="LoRA r on all seven linears")
    parser.add_argument("--launch", default="", help='of Shoal, such as "mpirun -n 2"')
    parser.add_argument("--threads", type=int, help="of a rank of Shoal; default: its own")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--against", nargs="+", choices=OTHERS, default=list(OTHERS))
    arguments = parser.parse_args()
    ratios = {name: [] for name in arguments.against}
    with tempfile.TemporaryDirectory() as scratch:
        pairs_file = os.path.join(scratch, "pairs.jsonl")
        with open(arguments.pairs_file) as source, open(pairs_file, "w") as file:
            chosen = itertools.islice(source, arguments.skip, arguments.skip + arguments.pairs)
            arguments.pairs = sum(1 for line in chosen if file.write(line))

        def measured(name):
            found = run_shoal(arguments, pairs_file) if name == "shoal" else run_other(name, arguments, pairs_file)
            work = arguments.pairs * arguments.epochs
            print(f"{name:<22} {found['seconds'] / work:7.2f} s/pair  {work / found['seconds']:.5f} pairs/s  "
                  f"steps {found['steps'] / work:7.2f} s/pair  {found['memory_gb']:5.1f} GB  "
                  f"losses {', '.join(f'{loss:.4f}' for loss in found['loss'])}", flush=True)
            return found["seconds"]

        print(f"{arguments.pairs} pairs, {arguments.epochs} epochs, {arguments.batch} pairs per step", flush=True)
        before = measured("shoal")
        for name in itertools.chain.from_iterable(itertools.repeat(arguments.against, arguments.rounds)):
            other, after = measured(name), measured("shoal")
            ratios[name].append(other / ((before + after) / 2))
            before = after
    for name, found in ratios.items():
        print(f"shoal is {statistics.median(found):.2f} times as fast as {name} "
              f"({', '.join(f'{ratio:.2f}' for ratio in found)})")


if __name__ == "__main__":
    main()
