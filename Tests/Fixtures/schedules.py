"""Writes schedules.json: the learning-rate factors of transformers' schedules, step by step.

Pinned: transformers 5.23.0, torch (any version: only LambdaLR is used).
Run: python Tests/Fixtures/schedules.py
"""

import json
import math
import pathlib

import torch
import transformers
from transformers import TrainingArguments, get_scheduler

assert transformers.__version__ == "5.23.0", transformers.__version__


def factors(name, warmup, total, minimum):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    kwargs = {}
    if minimum is not None:
        name, kwargs = "cosine_with_min_lr", {"min_lr_rate": minimum}
    schedule = get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=total, scheduler_specific_kwargs=kwargs)
    # The Trainer's step k uses the factor after k - 1 steps; two more show the end.
    (factor,) = schedule.lr_lambdas
    return [float(factor(step)) for step in range(total + 2)]


def main():
    cases = []
    for name in ("cosine", "linear", "constant", "constant_with_warmup"):
        for total, warmup in ((1, 0), (7, 0), (7, 3), (20, 10), (5, 8)):
            cases.append((name, warmup, total, None))
    cases += [("cosine", warmup, total, 0.1) for total, warmup in ((7, 0), (20, 10), (5, 8))]
    schedules = [
        {"shape": name, "warmup": warmup, "total": total, "minimum": minimum,
         "factors": factors(name, warmup, total, minimum)}
        for name, warmup, total, minimum in cases
    ]
    # A warmup_steps below 1 is what warmup_ratio became in transformers 5.
    warmups = []
    for total in (1, 9, 10, 30, 101, 1000):
        for ratio in (0.03, 0.1, 0.3, 0.7):
            arguments = TrainingArguments(output_dir="unused", warmup_steps=ratio, use_cpu=True)
            steps = arguments.get_warmup_steps(total)
            assert steps == math.ceil(total * ratio)
            warmups.append({"total": total, "ratio": ratio, "steps": steps})
    path = pathlib.Path(__file__).with_name("schedules.json")
    path.write_text(json.dumps({"schedules": schedules, "warmups": warmups}, indent=1) + "\n")


main()
