"""LoRA+, rsLoRA, Lion and schedules of Shoal beside PEFT's, bitsandbytes' and transformers', in DPO steps.

usage: lora_parity.py SHOAL_BINARY WORKDIR [--only NAME …] [--reuse]

Pinned: see requirements.txt (trl 1.16.0, transformers 5.23.0, peft 0.21.2, bitsandbytes 0.50.2, torch 2.13.0).
Runs and compares as objectives_parity.py does: LoRA+ is PEFT's create_loraplus_optimizer, Lion the trainer's
`lion_32bit`, schedules are the trainer's own. `adapter's update` with LoRA+ is mostly B's.
"""
import torch
from peft.optimizers import create_loraplus_optimizer

from paired_runs import Case, main

PAIR = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected")


def dpo(name, trl=None, shoal=None, **options):
    return Case(
        name, "dpo", "pairs", {"beta": 0.1, **(trl or {})}, {"rl": "dpo", "rl_beta": 0.1, **(shoal or {})}, PAIR, "base",
        **options)


def lora_plus(name, learning_rate, ratio, weight_decay=None):
    """A plain weight_decay, which Shoal's side has too, decays nothing: PEFT has a setting of its own."""
    decay = {} if weight_decay is None else {"loraplus_weight_decay": weight_decay}

    def optimizer(model):
        return create_loraplus_optimizer(
            model, torch.optim.AdamW, lr=learning_rate, loraplus_lr_ratio=ratio, betas=(0.9, 0.999), eps=1e-8, **decay)

    return dpo(name, shoal={"loraplus_lr_ratio": ratio, **decay}, optimizer=optimizer,
               training={"learning_rate": learning_rate})


def lion(name, **training):
    # Lion's step is a sign: where a gradient is nothing but rounding, the two sides part by twice the rate.
    return dpo(
        name, {"optim": "lion_32bit"}, {"optimizer": "lion"},
        training={"learning_rate": 5e-4, "adam_beta1": 0.9, "adam_beta2": 0.95, **training},
        tolerances={"adapter's update": 3e-2})


def schedule(name, trl=None, shoal=None, **training):
    return dpo(name, trl, shoal, training=training)


def stable_decay(name, cooldown, warmup):
    return schedule(
        name, {"lr_scheduler_kwargs": {"num_decay_steps": cooldown}}, {"cooldown_steps": cooldown},
        lr_scheduler="warmup_stable_decay", warmup_steps=warmup)


CASES = [
    lora_plus("lora+", 2e-4, 16.0),
    lora_plus("lora+-decay", 2e-4, 16.0, 0.5),
    dpo("rslora", adapter="rslora"),
    lion("lion"),
    lion("lion-decay", weight_decay=0.5),
    stable_decay("cooldown", cooldown=3, warmup=0),
    stable_decay("warmup-cooldown", cooldown=2, warmup=2),
    # Without a floor and a cooldown it is transformers' inverse_sqrt.
    schedule("inverse-sqrt", {"lr_scheduler_type": "inverse_sqrt"},
             {"lr_scheduler": "inverse_sqrt_cooldown", "cooldown_steps": 0}, warmup_steps=2),
    schedule("cosine-floor", {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.2}},
             {"lr_scheduler": "cosine", "cosine_min_lr_ratio": 0.2}, warmup_steps=1),
]

if __name__ == "__main__":
    main(__doc__, CASES, {"adapter": {}, "rslora": {"use_rslora": True}})
