"""Writes schedules.json: the learning-rate factors of transformers' schedules, step by step.

`inverse_sqrt_cooldown` is worked out from the formula that llm-foundry documents for its
InverseSquareRootWithWarmupScheduler; where it has no cooldown it is held to transformers' `inverse_sqrt`.

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


def inverse_sqrt_cooldown(step, warmup, total, cooldown, floor):
    if step < warmup:
        return step / warmup
    scale = warmup or 10_000
    start = max(warmup, total - cooldown)

    def decay(step):
        return floor + (1 - floor) / math.sqrt((step - warmup + scale) / scale)

    if step < start or cooldown == 0:
        return decay(min(step, start))
    return decay(start) + min(1, (step - start) / cooldown) * (0 - decay(start))


def factors(name, warmup, total, minimum, cooldown):
    if name == "inverse_sqrt_cooldown":
        return [inverse_sqrt_cooldown(step, warmup, total, cooldown, minimum or 0) for step in range(total + 2)]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    kwargs = {}
    if minimum is not None:
        name, kwargs = "cosine_with_min_lr", {"min_lr_rate": minimum}
    if name == "warmup_stable_decay":
        kwargs = {"num_decay_steps": cooldown}
    schedule = get_scheduler(
        name, optimizer, num_warmup_steps=warmup, num_training_steps=total, scheduler_specific_kwargs=kwargs)
    # The Trainer's step k uses the factor after k - 1 steps; two more show the end.
    (factor,) = schedule.lr_lambdas
    return [float(factor(step)) for step in range(total + 2)]


def main():
    for warmup, total in ((0, 12), (3, 12)):
        ours = factors("inverse_sqrt_cooldown", warmup, total, None, 0)[:total + 1]
        assert ours == factors("inverse_sqrt", warmup, total, None, None)[:total + 1]
    cases = []
    for name in ("cosine", "linear", "constant", "constant_with_warmup"):
        for total, warmup in ((1, 0), (7, 0), (7, 3), (20, 10), (5, 8)):
            cases.append((name, warmup, total, None, None))
    cases += [("cosine", warmup, total, 0.1, None) for total, warmup in ((7, 0), (20, 10), (5, 8))]
    # Without a cooldown, with one, all cooldown, and cooldowns that do not fit.
    for total, warmup, cooldown in ((7, 0, 0), (9, 2, 0), (20, 4, 4), (20, 0, 20), (10, 5, 8), (6, 2, 9), (5, 8, 3)):
        cases.append(("warmup_stable_decay", warmup, total, None, cooldown))
        cases += [("inverse_sqrt_cooldown", warmup, total, minimum, cooldown) for minimum in (None, 0.25, 1.0)]
    schedules = [
        {"shape": name, "warmup": warmup, "total": total, "minimum": minimum, "cooldown": cooldown,
         "factors": factors(name, warmup, total, minimum, cooldown)}
        for name, warmup, total, minimum, cooldown in cases
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
