"""Pairs per second of Shoal, of TRL + PEFT and of hand-written PyTorch on the same pairs, run in turn.

usage: beside.py SHOAL_BINARY MODEL PAIRS.jsonl [options]
       beside.py .build/release/shoal W/model W/pairs.jsonl --pairs 3
       beside.py .build/release/shoal W/model W/pairs.jsonl --pairs 2 --epochs 2 --against trl-kept-precomputed
       beside.py .build/release/shoal W/model W/pairs.jsonl --int8 --rounds 3 --against trl-bf16 torch-bf16

MODEL and PAIRS.jsonl can be made by materials.py. Other tenants change a machine's speed within minutes, so Shoal
runs before and after each of the others, and a ratio compares with the mean of its two neighbours.

Counted are: for Shoal the whole process, from launch to exit; for the others only their steps and their reference
pass, without imports, loading, tokenising and compiling. Memory is the sampled peak of what the processes hold, pages
they share counted once.

trl-bf16 is TRL's default: fp32 weights under bf16 autocast. The other sides in bf16 hold the frozen weights in bf16
too, which is faster; their adapters and optimizers stay in fp32.
"""
import argparse
import itertools
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version

import materials

HERE = os.path.dirname(os.path.abspath(__file__))
OTHERS = {
    "trl": ("trl_dpo.py", []),
    "trl-kept": ("trl_dpo.py", ["--no-checkpointing"]),
    "trl-kept-precomputed": ("trl_dpo.py", ["--no-checkpointing", "--precompute"]),
    "trl-bf16": ("trl_dpo.py", ["--bf16"]),
    "trl-bf16-kept": ("trl_dpo.py", ["--bf16", "--dtype", "bfloat16", "--no-checkpointing", "--precompute"]),
    "torch": ("torch_dpo.py", []),
    "torch-compiled": ("torch_dpo.py", ["--compile"]),
    "torch-bf16": ("torch_dpo.py", ["--dtype", "bfloat16"]),
    "torch-bf16-compiled": ("torch_dpo.py", ["--dtype", "bfloat16", "--compile"]),
}
SHOAL = {"shoal": {}, "shoal-int8": {"load_in_8bit": True}}
FLAGS = {
    "x86_64": ["avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"],
    "aarch64": ["asimddp", "i8mm", "bf16", "sve"],
}


def processor():
    """Its name and which of the flags that matter for bf16 and int8 it has."""
    with open("/proc/cpuinfo") as file:
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in file)}
    flags = fields.get("flags", fields.get("Features", "")).split()
    asked = FLAGS.get(platform.machine(), [])
    return (f"{fields.get('model name', platform.machine())}, {os.cpu_count()} cores; "
            f"has {', '.join(flag for flag in asked if flag in flags) or 'none'}; "
            f"lacks {', '.join(flag for flag in asked if flag not in flags) or 'none'}")


def without_compiler(names):
    """The names that can run here: torch.compile wants a C++ compiler and a Python that it knows."""
    compiled = [name for name in names if "--compile" in OTHERS[name][1]]
    if compiled:
        probe = subprocess.run(
            [sys.executable, "-c", "import torch; torch.compile(lambda x: x.sin() + 1)(torch.ones(8))"],
            capture_output=True, text=True)
        if probe.returncode:
            reason = [line for line in probe.stderr.splitlines() if "Error" in line or "Exception" in line]
            print(f"left out, as torch.compile does not work here: {', '.join(compiled)} "
                  f"({(reason or ['no reason given'])[-1].strip()})", flush=True)
            return [name for name in names if name not in compiled]
    return names


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


def run_shoal(name, arguments, pairs_file):
    with tempfile.TemporaryDirectory() as scratch:  # no cache of an earlier run
        out, config = os.path.join(scratch, "run"), os.path.join(scratch, "config.yaml")
        entries = {
            "base_model": os.path.abspath(arguments.model), "adapter": "lora", "lora_r": arguments.rank,
            "lora_alpha": 2 * arguments.rank, "lora_target_modules": materials.ALL_LINEARS, "rl": "dpo",
            "rl_beta": 0.1, "datasets": [{"path": pairs_file, "ds_type": "json"}], "sequence_len": 2048,
            "micro_batch_size": arguments.batch, "num_epochs": arguments.epochs,
            "shuffle_merged_datasets": False, "curriculum_sampling": True, "optimizer": "adamw_torch",
            "learning_rate": 5e-5, "lr_scheduler": "cosine", "warmup_steps": 0, "weight_decay": 0.0,
            "max_grad_norm": 1.0, "output_dir": out, **SHOAL[name]}
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


def table(measured, relative):
    """Medians of every side, the fastest first; which is best."""
    def middle(name, key):
        return statistics.median(found[key] for found in measured[name])

    print("\n| side | s/pair | pairs/s | steps, s/pair | GB | time / shoal's (each) | last loss |\n"
          "|---|---:|---:|---:|---:|---:|---:|")
    order = sorted(measured, key=lambda name: statistics.median(relative[name]))
    for name in order:
        each = f" ({', '.join(f'{ratio:.2f}' for ratio in relative[name])})" if name != "shoal" else ""
        print(f"| {name} | {middle(name, 'seconds'):.2f} | {1 / middle(name, 'seconds'):.5f} | "
              f"{middle(name, 'steps'):.2f} | {middle(name, 'memory_gb'):.1f} | "
              f"{statistics.median(relative[name]):.2f}{each} | {measured[name][-1]['loss'][-1]:.4f} |")
    print(f"\nbest: {order[0]}")
    others = [name for name in order if name not in SHOAL]
    if others:
        print(f"best of the others: {others[0]}")
        for name in filter(measured.__contains__, SHOAL):
            faster = statistics.median(relative[others[0]]) / statistics.median(relative[name])
            print(f"{name} is {faster:.2f} times as fast as {others[0]}")


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
    parser.add_argument("--int8", action="store_true", help="Shoal with load_in_8bit too")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--against", nargs="+", choices=OTHERS, default=list(OTHERS))
    arguments = parser.parse_args()
    print(f"{processor()}\n{', '.join(f'{name} {version(name)}' for name in ('torch', 'transformers', 'peft', 'trl'))}")
    names = without_compiler(arguments.against) + ["shoal-int8"] * arguments.int8
    measured, relative = {name: [] for name in ["shoal", *names]}, {name: [] for name in names} | {"shoal": [1.0]}
    with tempfile.TemporaryDirectory() as scratch:
        pairs_file = os.path.join(scratch, "pairs.jsonl")
        with open(arguments.pairs_file) as source, open(pairs_file, "w") as file:
            chosen = itertools.islice(source, arguments.skip, arguments.skip + arguments.pairs)
            arguments.pairs = sum(1 for line in chosen if file.write(line))
        work = arguments.pairs * arguments.epochs

        def measure(name):
            found = (run_shoal if name in SHOAL else run_other)(name, arguments, pairs_file)
            found["seconds"], found["steps"] = found["seconds"] / work, found["steps"] / work
            measured[name].append(found)
            print(f"{name:<22} {found['seconds']:7.2f} s/pair  {1 / found['seconds']:.5f} pairs/s  "
                  f"steps {found['steps']:7.2f} s/pair  {found['memory_gb']:5.1f} GB  "
                  f"losses {', '.join(f'{loss:.4f}' for loss in found['loss'])}", flush=True)
            return found["seconds"]

        print(f"{arguments.pairs} pairs, {arguments.epochs} epochs, {arguments.batch} pairs per step", flush=True)
        before = measure("shoal")
        for name in itertools.chain.from_iterable(itertools.repeat(names, arguments.rounds)):
            other, after = measure(name), measure("shoal")
            relative[name].append(other / ((before + after) / 2))
            before = after
    table(measured, relative)


if __name__ == "__main__":
    main()
