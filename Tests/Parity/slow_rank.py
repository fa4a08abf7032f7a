"""What a rank at a third of its speed costs: two ranks, one of them stopped two thirds of the time.

usage: slow_rank.py SHOAL_BINARY MODEL PAIRS.jsonl [options]

Runs the same job undisturbed and with rank 1 stopped and continued (SIGSTOP, SIGCONT). Prints each one's seconds per
step, what every rank waited per step in units of a fast rank's micro-batch, and whether the adapters are the same.
"""
import argparse
import hashlib
import itertools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

import materials


def ranks(launcher):
    """Process ids of the ranks, by rank."""
    found = {}
    with open(f"/proc/{launcher}/task/{launcher}/children") as file:
        for child in file.read().split():
            with open(f"/proc/{child}/environ", "rb") as environment:
                for entry in environment.read().split(b"\0"):
                    if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
                        found[int(entry.split(b"=")[1])] = int(child)
    return found


def slow_down(launcher, period, done):
    """Lets rank 1 run a third of the time."""
    while not done.is_set() and 1 not in (found := ranks(launcher)):
        time.sleep(0.2)
    while not done.is_set():
        try:
            os.kill(found[1], signal.SIGSTOP)
            done.wait(period * 2 / 3)
            os.kill(found[1], signal.SIGCONT)
            done.wait(period / 3)
        except ProcessLookupError:
            return


def run(arguments, pairs, scratch, name, disturbed):
    out, config = os.path.join(scratch, name), os.path.join(scratch, f"{name}.yaml")
    entries = {
        "base_model": os.path.abspath(arguments.model), "adapter": "lora", "lora_r": 32, "lora_alpha": 64,
        "lora_target_modules": materials.ALL_LINEARS, "rl": "dpo",
        "datasets": [{"path": pairs, "ds_type": "json"}], "sequence_len": arguments.length,
        "micro_batch_size": arguments.pairs, "max_steps": arguments.steps, "learning_rate": 5e-5, "output_dir": out}
    with open(config, "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    process = subprocess.Popen(
        ["mpirun", "-n", "2", os.path.abspath(arguments.shoal), "train", config, "--threads", "1"],
        env={**os.environ, "SHOAL_CACHE": os.path.join(scratch, "cache")},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    done = threading.Event()
    for line in process.stderr:
        # References are in the cache by then: the steps begin.
        if disturbed and line.startswith("plan:"):
            threading.Thread(target=slow_down, args=(process.pid, 0.3, done), daemon=True).start()
            disturbed = False
    done.set()
    if process.wait():
        raise SystemExit(f"{name}: exit {process.returncode}")
    with open(os.path.join(out, "metrics.jsonl")) as file:
        seconds = [line["step_seconds"] for line in map(json.loads, file) if "step_seconds" in line]
    with open(os.path.join(out, "run.json")) as file:
        idle = [rank["idle"] / arguments.steps for rank in json.load(file)["seconds_by_rank"]]
    with open(os.path.join(out, "adapter_model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return sum(seconds) / len(seconds), idle, digest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("pairs_file")
    parser.add_argument("--pairs", type=int, default=10, help="per step; one is a micro-batch")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--length", type=int, default=512, help="sequence_len")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pairs = os.path.join(scratch, "pairs.jsonl")
        with open(arguments.pairs_file) as source, open(pairs, "w") as file:
            file.writelines(itertools.islice(source, arguments.pairs))
        calm, idle, expected = run(arguments, pairs, scratch, "calm", False)
        batch = 2 * calm / arguments.pairs
        for name, seconds, idle, digest in [
                ("undisturbed", calm, idle, expected), ("one slow rank", *run(arguments, pairs, scratch, "slow", True))]:
            ideal = calm if name == "undisturbed" else calm * 2 / (1 + 1 / 3)
            print(f"{name:<14} {seconds:6.1f} s/step (all ranks busy: {ideal:.1f}), waiting per step "
                  f"{', '.join(f'{value / batch:.2f}' for value in idle)} micro-batches of {batch:.1f} s, "
                  f"adapter {'the same' if digest == expected else 'DIFFERENT'}", flush=True)


if __name__ == "__main__":
    main()
