"""Writes objectives.json: losses, gradients and metrics of TRL's own trainers on tables of log-probabilities.

Pinned: see requirements.txt (trl 1.16.0, transformers 5.23.0, torch 2.13.0).
Run: python Tests/Fixtures/objectives.py

The trainers' loss methods run on a stand-in for a model whose tokens have the wanted log-probabilities. Everything is
fp64: `.float()`, with which ORPO, transformers' cross-entropy and metrics go to fp32, gives fp64; nothing else is
changed. Gradients are torch's autograd by each completion's sum. Where TRL's formula itself overflows the table stops
short of it; the Swift tests have those cases by hand.
"""

import json
import pathlib
import types
from collections import defaultdict
from unittest import mock

import torch
import transformers
import trl
from transformers.loss.loss_utils import ForCausalLMLoss
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

assert trl.__version__ == "1.16.0" and transformers.__version__ == "5.23.0"
torch.set_default_dtype(torch.float64)

# One step's pairs: tokens and sums of chosen and rejected, and of the prompt after its first token.
ORDINARY = [
    # |w|  |l|  policy w  policy l  reference w  reference l  |p|  prompt
    (17, 23, -21.5, -30.25, -22.0, -28.5, 9, -31.0),
    (5, 4, -3.0, -2.5, -2.0, -4.0, 3, -8.5),
    (1, 60, -0.7, -71.0, -1.9, -64.0, 40, -120.0),
    (31, 31, -40.0, -40.0, -40.0, -40.0, 12, -25.0),
    (12, 7, -18.0, -2.0, -11.0, -6.5, 1, -4.0),
]
EXTREME = [
    (300, 280, -260.0, -900.0, -700.0, -310.0, 100, -350.0),
    (250, 320, -1400.0, -290.0, -280.0, -800.0, 80, -200.0),
    (2, 2, -1e-3, -45.0, -30.0, -0.5, 2, -1e-2),
    (3, 900, -50.0, -2500.0, -0.25, -2400.0, 5, -20.0),
    (64, 64, -64.0, -63.999999, -64.0, -64.0, 7, -9.0),
]
ONE = [(8, 6, -9.5, -7.25, -10.0, -7.0, 4, -6.0)]
# A policy that has left its reference: KTO's baseline is above 0.
DRIFTED = [
    (9, 14, -8.0, -40.0, -9.5, -41.5, 5, -7.0),
    (20, 3, -33.0, -6.0, -30.0, -10.0, 8, -12.0),
    (4, 11, -6.5, -22.0, -6.0, -20.0, 2, -3.0),
    (15, 15, -12.0, -18.75, -17.0, -19.0, 6, -9.0),
]


class Accelerator:
    """The parts of accelerate's that a loss uses, in a world of one."""

    device = torch.device("cpu")

    def gather(self, x):
        return x

    gather_for_metrics = gather


def spread(sums, tokens, width):
    """Rows of `width` token log-probabilities that end in `tokens` equal ones with the wanted sums."""
    rows = []
    for total, count in zip(sums, tokens):
        rows.append(torch.cat([torch.zeros(width - count), (total / count).expand(count)]))
    return torch.stack(rows)


def columns(pairs):
    """Leaves that require gradients (policy) and constants: one tensor per column."""
    names = ("w", "l", "policy_w", "policy_l", "reference_w", "reference_l", "p", "prompt")
    values = dict(zip(names, zip(*pairs)))
    tensors = {}
    for name, column in values.items():
        if name in ("w", "l", "p"):
            tensors[name] = list(column)
        else:
            tensors[name] = torch.tensor(column, requires_grad=name in ("policy_w", "policy_l", "prompt"))
    return tensors


def record(loss, leaves, metrics, names):
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    slopes = [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, gradients)]
    return {
        "loss": loss.item(),
        # Example by example, in the order of the objective's spans.
        "gradients": torch.stack(slopes, 1).tolist(),
        "metrics": {name: metrics[name] for name in names if name in metrics},
    }


def last(metrics):
    return {name: values[-1] for name, values in metrics.items()}


PAIR_METRICS = [
    "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"]


# -- DPO's family


def dpo(pairs, losses, weights, beta, smoothing, tau=0.05):
    c = columns(pairs)
    count, width = len(pairs), max(c["w"] + c["l"])
    tokens = c["w"] + c["l"]
    log_probs = spread(torch.cat([c["policy_w"], c["policy_l"]]), tokens, width)
    # The first column is a prompt token; TRL drops it when it shifts the mask.
    completion_mask = torch.stack([
        torch.tensor([0] * (1 + width - n) + [1] * n) for n in tokens])
    nothing = torch.zeros_like(log_probs)
    outputs = types.SimpleNamespace(
        log_probs=log_probs, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())
    trainer = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True), accelerator=Accelerator(), aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=losses, loss_weights=weights, beta=beta,
        label_smoothing=smoothing, args=types.SimpleNamespace(discopop_tau=tau), use_weighting=False, _tp_size=1,
        _total_train_tokens=0, _metrics={"train": defaultdict(list)})
    inputs = {
        "input_ids": torch.zeros_like(completion_mask), "attention_mask": torch.ones_like(completion_mask),
        "completion_mask": completion_mask, "ref_chosen_logps": c["reference_w"],
        "ref_rejected_logps": c["reference_l"]}
    loss = DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, False)
    return record(loss, [c["policy_w"], c["policy_l"]], last(trainer._metrics["train"]), PAIR_METRICS)


def smoothed_sigmoid(pairs, beta, smoothing):
    """cDPO, which TRL's DPOTrainer no longer has: its CPOTrainer's loss of the log-ratios."""
    c = columns(pairs)
    trainer = types.SimpleNamespace(
        alpha=0.0, beta=beta, loss_type="sigmoid", label_smoothing=smoothing, accelerator=Accelerator())
    losses, _, _ = CPOTrainer.cpo_loss(trainer, c["policy_w"] - c["reference_w"], c["policy_l"] - c["reference_l"])
    return record(losses.mean(), [c["policy_w"], c["policy_l"]], {}, [])


# -- Objectives without a reference: trainers that take logits


def two_way_logits(log_probs):
    """Logits of a vocabulary of two whose first entry, token 0, has these log-probabilities."""
    rest = torch.where(log_probs > -0.6931, torch.log(-torch.expm1(log_probs)), torch.log1p(-torch.exp(log_probs)))
    return torch.stack([log_probs, rest], -1)


def concatenated(c, count):
    """A batch as the trainers' collators make it, and a model for it: prompts and completions, padded on the right."""
    prompt_rows = [torch.full((n,), s) for n, s in zip(c["p"], (c["prompt"] / torch.tensor(c["p"])).detach())]
    batch = {}
    rows = []
    for side, tokens, policy in (("chosen", c["w"], c["policy_w"]), ("rejected", c["l"], c["policy_l"])):
        # One more token, which no logits predict, starts every prompt.
        lengths = [1 + p + n for p, n in zip(c["p"], tokens)]
        width = max(lengths)
        batch[f"{side}_input_ids"] = torch.zeros(count, width, dtype=torch.long)
        batch[f"{side}_attention_mask"] = torch.stack([
            torch.tensor([1] * n + [0] * (width - n)) for n in lengths])
        batch[f"{side}_labels"] = torch.stack([
            torch.tensor([-100] * (1 + p) + [0] * n + [-100] * (width - 1 - p - n)) for p, n in zip(c["p"], tokens)])
        for i in range(count):
            prompt = (c["prompt"][i] / c["p"][i]).expand(c["p"][i]) if side == "chosen" else prompt_rows[i]
            rows.append(torch.cat([prompt, (policy[i] / tokens[i]).expand(tokens[i])]))
    longest = max(len(row) for row in rows) + 1
    padded = torch.stack([torch.cat([row, torch.full((longest - len(row),), -0.5)]) for row in rows])
    return batch, lambda *_, **__: types.SimpleNamespace(logits=two_way_logits(padded))


def reference_free(trainer_class, pairs, leaves, names, **settings):
    c = columns(pairs)
    batch, model = concatenated(c, len(pairs))
    trainer = types.SimpleNamespace(
        is_encoder_decoder=False, accelerator=Accelerator(), aux_loss_enabled=False, pad_token_id=0, padding_value=0,
        concatenated_inputs=trainer_class.concatenated_inputs, get_batch_logps=trainer_class.get_batch_logps,
        **settings)
    for method in ("concatenated_forward", "cpo_loss", "odds_ratio_loss"):
        if hasattr(trainer_class, method):
            setattr(trainer, method, types.MethodType(getattr(trainer_class, method), trainer))
    loss, metrics = trainer_class.get_batch_loss_metrics(trainer, model, batch)
    return record(loss, [c[name] for name in leaves], metrics, names)


def cpo(pairs, kind, beta, gamma, smoothing, alpha):
    return reference_free(
        CPOTrainer, pairs, ["policy_w", "policy_l"], PAIR_METRICS + (["nll_loss"] if alpha else []), alpha=0.0,
        loss_type=kind, beta=beta, simpo_gamma=gamma, label_smoothing=smoothing, cpo_alpha=alpha)


def orpo(pairs, beta):
    return reference_free(
        ORPOTrainer, pairs, ["policy_w", "policy_l", "prompt"],
        PAIR_METRICS + ["nll_loss", "log_odds_ratio", "log_odds_chosen"], beta=beta)


# -- Unpaired completions: the first of each pair is the completion, the second the mismatched one


def kto(pairs, labels, beta, desirable, undesirable):
    c = columns(pairs)
    width = max(c["w"] + c["l"])

    def side(tokens, policy):
        mask = torch.stack([torch.tensor([0] * (1 + width - n) + [1] * n) for n in tokens])
        return spread(policy, tokens, width), mask

    own, own_mask = side(c["w"], c["policy_w"])
    other, other_mask = side(c["l"], c["policy_l"])
    nothing = torch.zeros_like(own)

    def model(input_ids, **_):
        return types.SimpleNamespace(
            log_probs=other if input_ids is KL_IDS else own, entropy=nothing, mean_logits=nothing)

    KL_IDS = torch.zeros_like(other_mask)
    trainer = types.SimpleNamespace(
        model=types.SimpleNamespace(training=True), accelerator=Accelerator(), aux_loss_enabled=False,
        precompute_ref_logps=True, calculate_KL=True, loss_type="kto", beta=beta, desirable_weight=desirable,
        undesirable_weight=undesirable, _tp_size=1, _total_train_tokens=0, _metrics={"train": defaultdict(list)})
    trainer._compute_kl_logps = types.MethodType(KTOTrainer._compute_kl_logps, trainer)
    inputs = {
        "input_ids": torch.zeros_like(own_mask), "attention_mask": torch.ones_like(own_mask),
        "completion_mask": own_mask, "KL_input_ids": KL_IDS, "KL_attention_mask": torch.ones_like(other_mask),
        "KL_completion_mask": other_mask, "label": torch.tensor(labels), "ref_logps": c["reference_w"],
        "ref_KL_logps": c["reference_l"]}
    # The trainer moves its inputs to the device, which would give the KL ids another identity.
    with mock.patch.object(torch.Tensor, "to", lambda self, *_, **__: self), \
            mock.patch.object(torch.Tensor, "masked_fill", lambda self, *_: self):
        loss = KTOTrainer._compute_loss(trainer, model, inputs, False)
    return record(loss, [c["policy_w"], c["policy_l"]], last(trainer._metrics["train"]), [
        "rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl"])


# -- Supervised: the mean over the step's tokens, with transformers' num_items_in_batch, in micro-batches of one


def supervised(pairs):
    c = columns(pairs)
    total = sum(c["w"])
    loss = torch.zeros(())
    for i, n in enumerate(c["w"]):
        log_probs = torch.cat([(c["policy_w"][i] / n).expand(n), torch.tensor([-0.5])])
        labels = torch.tensor([-100] + [0] * n)
        loss = loss + ForCausalLMLoss(two_way_logits(log_probs), labels, 2, num_items_in_batch=total)
    return record(loss, [c["policy_w"]], {}, [])


def main():
    tables = {"ordinary": ORDINARY, "extreme": EXTREME, "one": ONE, "drifted": DRIFTED}
    cases = []

    def add(kind, table, outcome, **settings):
        cases.append({"kind": kind, "table": table, **settings, **outcome})

    # Loss, its label smoothings, its tables.
    family = [(name, [0.0], ["ordinary", "extreme", "one"]) for name in (
        "sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "sft", "sigmoid_norm")]
    family += [(name, [0.0, 0.1], ["ordinary", "extreme", "one"]) for name in ("robust", "aot", "aot_unpaired")]
    # e^-x overflows in TRL's sum where the blend is 0.
    family += [("exo_pair", [1e-3, 0.1], ["ordinary", "extreme"]), ("discopop", [0.0], ["ordinary", "extreme", "one"])]
    for name, smoothings, names in family:
        for smoothing in smoothings:
            for beta in (0.1, 1.0):
                if name == "discopop" and beta == 1.0:
                    names = ["ordinary", "one"]
                for table in names:
                    add("dpo", table, dpo(tables[table], [name], [1.0], beta, smoothing), losses=[name], weights=[1.0],
                        beta=beta, smoothing=smoothing)
    for losses, weights, smoothing in (
            (["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0], 0.0), (["apo_zero", "sft"], [1.0, 0.25], 0.0),
            (["aot", "robust", "ipo"], [0.5, 2.0, 0.125], 0.1)):
        for table in ("ordinary", "extreme"):
            add("dpo", table, dpo(tables[table], losses, weights, 0.3, smoothing), losses=losses, weights=weights,
                beta=0.3, smoothing=smoothing)
    for table in tables:
        for smoothing in (0.1, 0.4):
            add("dpo", table, smoothed_sigmoid(tables[table], 0.1, smoothing), losses=["sigmoid"], weights=[1.0],
                beta=0.1, smoothing=smoothing)
        for kind, beta, gamma, smoothing, alpha in (
                ("sigmoid", 0.1, 0.0, 0.0, 1.0), ("sigmoid", 0.3, 0.0, 0.1, 0.5), ("simpo", 2.0, 0.5, 0.0, 0.0),
                ("simpo", 10.0, 3.0, 0.05, 0.5)):
            add("cpo" if kind == "sigmoid" else "simpo", table, cpo(tables[table], kind, beta, gamma, smoothing, alpha),
                beta=beta, gamma=gamma, smoothing=smoothing, alpha=alpha)
        for beta in (0.1, 1.0):
            add("orpo", table, orpo(tables[table], beta), beta=beta)
        add("supervised", table, supervised(tables[table]))
    for table, labels, weights in (
            ("ordinary", [True, False, True, True, False], (1.0, 1.0)), ("ordinary", [False] * 5, (1.0, 1.5)),
            ("extreme", [False, True, True, False, False], (1.33, 0.75)), ("one", [True], (1.0, 1.0)),
            ("drifted", [True, False, False, True], (1.0, 1.33)), ("drifted", [True] * 4, (2.0, 1.0))):
        for beta in (0.1, 0.5):
            add("kto", table, kto(tables[table], labels, beta, *weights), labels=labels, beta=beta,
                desirable=weights[0], undesirable=weights[1])

    document = {
        "tables": {
            name: [
                {"tokens": [w, l, p], "policy": [pw, pl, pp], "reference": [rw, rl]}
                for w, l, pw, pl, rw, rl, p, pp in table]
                for name, table in tables.items()},
        "cases": cases,
    }
    text = json.dumps(document, allow_nan=False)
    # One case a line.
    text = text.replace(' {"kind"', '\n{"kind"').replace(' "cases"', '\n"cases"')
    pathlib.Path(__file__).with_name("objectives.json").write_text(text + "\n")
    print(len(cases), "cases")


with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
    main()
