"""Pairs per second of `shoal train` and of TRL's DPOTrainer on the same pairs, run in turn.

usage: bench_trl.py SHOAL_BINARY MODEL PAIRS.jsonl [options]
       bench_trl.py .build/release/shoal W/model W/pairs.jsonl --pairs 4 --rounds 2
       bench_trl.py … --shoal-launch "mpirun -n 2" --shoal-threads 1 --trl --no-checkpointing --precompute

MODEL and PAIRS.jsonl can be made by materials.py. Other tenants change a machine's speed within minutes, so
the two alternate, each going first in every other round, and only their ratio says much. Two rates are
given: over the optimizer steps alone, and over the whole process with loading and reference log-probs.
Memory is the sampled peak of what the processes hold, pages they share counted once.
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
        while not self.done.wait(1.0):
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


def rates(name, pairs, step_seconds, seconds, gigabytes):
    found = {"steps": pairs / sum(step_seconds), "whole": pairs / seconds}
    print(f"  {name:<6} {found['steps']:.5f} pairs/s in steps, {found['whole']:.5f} whole "
          f"({seconds:.0f} s), {gigabytes:.1f} GB", flush=True)
    return found


def run_shoal(arguments, pairs_file, pairs, scratch):
    out = os.path.join(scratch, "run")
    entries = {
        "base_model": os.path.abspath(arguments.model), "adapter": "lora", "lora_r": arguments.rank,
        "lora_alpha": 2 * arguments.rank, "lora_target_modules": materials.ALL_LINEARS, "rl": "dpo",
        "rl_beta": 0.1, "datasets": [{"path": pairs_file, "ds_type": "json"}], "sequence_len": 2048,
        "micro_batch_size": 1, "gradient_accumulation_steps": arguments.batch,
        "max_steps": -(-pairs // arguments.batch), "shuffle_merged_datasets": False,
        "curriculum_sampling": True, "optimizer": "adamw_torch", "learning_rate": 5e-5,
        "lr_scheduler": "cosine", "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1.0,
        "output_dir": out}
    config = os.path.join(scratch, "config.yaml")
    with open(config, "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    command = [
        *shlex.split(arguments.shoal_launch), os.path.abspath(arguments.shoal), "train", config,
        "--resume", "never", "--overwrite"]
    if arguments.shoal_threads:
        command += ["--threads", str(arguments.shoal_threads)]
    _, seconds, memory = timed(command, {"SHOAL_CACHE": os.path.join(scratch, "cache")})
    with open(os.path.join(out, "metrics.jsonl")) as file:
        steps = [entry["step_seconds"] for entry in map(json.loads, file) if "step_seconds" in entry]
    return rates("shoal", pairs, steps, seconds, memory)


def run_trl(arguments, pairs_file, pairs):
    output, seconds, memory = timed([
        sys.executable, os.path.join(HERE, "trl_dpo.py"), arguments.model, pairs_file,
        "--batch", str(arguments.batch), "--rank", str(arguments.rank),
        "--threads", str(arguments.trl_threads), *arguments.trl])
    found = json.loads(output.splitlines()[-1])
    if found["pairs"] != pairs:
        print(f"  TRL dropped {pairs - found['pairs']} pairs longer than its max_length", flush=True)
    return rates("TRL", found["pairs"], found["step_seconds"], seconds, memory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("pairs_file")
    parser.add_argument("--pairs", type=int, default=4, help="how many of the file's pairs")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each")
    parser.add_argument("--batch", type=int, default=4, help="pairs per optimizer step")
    parser.add_argument("--rank", type=int, default=32, help="LoRA r on all seven linears")
    parser.add_argument("--shoal-launch", default="", help='such as "mpirun -n 2"')
    parser.add_argument("--shoal-threads", type=int, help="per rank; default: shoal's own")
    parser.add_argument("--trl-threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--trl", nargs=argparse.REMAINDER, default=[], help="all that follows is for trl_dpo.py")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        pairs_file = os.path.join(scratch, "pairs.jsonl")
        with open(arguments.pairs_file) as source, open(pairs_file, "w") as file:
            pairs = sum(1 for line in itertools.islice(source, arguments.pairs) if file.write(line))
        for turn in range(arguments.rounds):
            print(f"round {turn + 1} of {arguments.rounds}: {pairs} pairs", flush=True)
            found = {}
            for name in ("shoal", "trl") if turn % 2 == 0 else ("trl", "shoal"):
                if name == "trl":
                    found[name] = run_trl(arguments, pairs_file, pairs)
                else:
                    with tempfile.TemporaryDirectory(dir=scratch) as fresh:  # no cache of an earlier round
                        found[name] = run_shoal(arguments, pairs_file, pairs, fresh)
            results.append(found)
    for kind in ("steps", "whole"):
        ratios = [found["shoal"][kind] / found["trl"][kind] for found in results]
        print(f"shoal / TRL, {kind}: median {statistics.median(ratios):.2f} "
              f"of {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


if __name__ == "__main__":
    main()
