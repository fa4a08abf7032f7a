"""Writes packing.json: the rows, batches and numbers of steps of axolotl's sample packing, on drawn lengths.

usage: packing.py OUT.json
needs: torch==2.13.0 transformers==5.23.0 datasets==5.2.0 accelerate==1.15.0; and, with --no-deps, axolotl==0.19.0,
       addict, colorama, numba and llvmlite.

Everything runs through axolotl's own `MultipackBatchSampler` and `calculate_total_num_steps`, and transformers'
`Trainer.set_initial_training_values`. Only the random sampler is replaced, by one that yields the orders of the case:
they are torch's in axolotl and a function of the seed in Shoal. Axolotl draws five orders before it trains: the first is
for statistics, the fewest batches of the other four are the length of an epoch.
"""

import json
import logging
import math
import random
import sys
from types import SimpleNamespace

import axolotl.utils.trainer as axolotl_trainer
from axolotl.utils.dict import DictDefault
from axolotl.utils.samplers import MultipackBatchSampler
from datasets import Dataset, disable_progress_bars
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer

disable_progress_bars()
logging.disable(logging.WARNING)
COUNTED = 4


class Orders(Sampler):
    """Yields the given orders, one each time it is asked."""

    def __init__(self, orders):
        self.orders = iter(orders)

    def __iter__(self):
        return iter(next(self.orders))


def sampler(case, base, lengths):
    """As AxolotlTrainer makes it."""
    real = case["real_batches"]
    return MultipackBatchSampler(
        base, lengths=lengths, batch_size=case["micro_batch_size"] if real else 1,
        batch_max_len=case["sequence_len"] * (1 if real else case["micro_batch_size"]),
        group_size=case["group_size"], bin_size=case["bin_size"], sequential=case["sequential"], drop_last=True,
        num_processes=1)


def configuration(case):
    return DictDefault(
        sample_packing=True, micro_batch_size=case["micro_batch_size"], sequence_len=case["sequence_len"],
        batch_size=case["micro_batch_size"] * case["accumulation"], num_epochs=case["epochs"],
        curriculum_sampling="orders" not in case, multipack_real_batches=case["real_batches"],
        attn_supports_packing=True, sample_packing_group_size=case["group_size"],
        sample_packing_bin_size=case["bin_size"], sample_packing_sequentially=case["sequential"],
        sample_packing_eff_est=case["efficiency"], dataloader_drop_last=case["drops_last"], dataset_num_proc=1)


def planned_steps(case, lengths, length):
    """The optimizer steps of an epoch and of the run, where an epoch has `length` batches."""
    data = Dataset.from_dict({
        "input_ids": [[0] * count for count in lengths], "labels": [[0] * count for count in lengths],
        "length": lengths})
    orders = case.get("orders")
    axolotl_trainer.RandomSampler = lambda _: Orders(orders[:1] + orders[:COUNTED])
    total = axolotl_trainer.calculate_total_num_steps(configuration(case), data)
    accumulation = case["accumulation"]
    trainer = SimpleNamespace(
        get_total_train_batch_size=lambda _: accumulation, get_sp_size=lambda: 1, num_examples=lambda _: 1)
    arguments = SimpleNamespace(
        max_steps=total or -1, num_train_epochs=case["epochs"], gradient_accumulation_steps=accumulation)
    values = Trainer.set_initial_training_values(trainer, arguments, range(length))
    # The loop ends when this many steps are done.
    return values[1], math.ceil(values[-1])


def expected(case):
    lengths = case["lengths"]
    orders = case.get("orders")
    if orders:
        base = Orders(orders[:1] + orders[:COUNTED] + orders)
    else:
        base = SequentialSampler(lengths)
    packed = sampler(case, base, lengths)
    length = len(packed)
    epochs = []
    for epoch in range(len(orders) if orders else 1):
        packed.set_epoch(epoch)
        epochs.append([[int(place) for row in batch for place in row] for batch in packed])
    # Every row of the first epoch, also those of no complete batch.
    whole = sampler({**case, "micro_batch_size": 1, "sequence_len": packed.batch_max_len},
                    Orders(orders[:1] * 2) if orders else base, lengths)
    rows = [[int(place) for place in row] for batch in whole.generate_batches() for row in batch]
    per_epoch, total = planned_steps(case, lengths, length)
    return {"rows": rows, "batches": epochs, "steps_per_epoch": per_epoch, "total_steps": total}


def drawn(seed, shuffles):
    draw = random.Random(seed)
    sequence_len = draw.choice([16, 64, 256])
    kind = draw.random()

    def length():
        if kind < 0.2:
            return draw.randint(sequence_len // 2, sequence_len)
        share = draw.random() ** (1 if kind < 0.6 else 3)
        return max(2, int(share * sequence_len))

    lengths = [length() for _ in range(draw.randint(8, 70))]
    case = {
        "sequence_len": sequence_len, "micro_batch_size": draw.choice([1, 1, 2, 3]),
        "accumulation": draw.choice([1, 1, 2, 3, 4]), "real_batches": draw.random() < 0.5,
        "group_size": draw.choice([100_000, 100_000, 9, 20]), "bin_size": draw.choice([200, 200, 3, 1]),
        "sequential": draw.random() < 0.3, "epochs": draw.choice([1, 1, 2, 3, 0.5, 2.5]),
        "efficiency": draw.choice([None, None, None, 0.9, 0.5]), "drops_last": draw.random() < 0.2, "lengths": lengths,
    }
    if shuffles:
        case["orders"] = [draw.sample(range(len(lengths)), len(lengths)) for _ in range(6)]
    return case


def main(path):
    cases = []
    for shuffles, count in [(False, 60), (True, 20)]:
        seed = 0
        while count:
            case = drawn(seed * 2 + shuffles, shuffles)
            seed += 1
            found = expected(case)
            # axolotl trains on nothing where the rows are fewer than micro_batch_size.
            if not all(found["batches"]):
                continue
            cases.append({**case, "expected": found})
            count -= 1
    with open(path, "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
