"""Five optimizer steps of full fine-tuning by `shoal` beside a plain loop in torch, for every architecture.

usage: full_parity.py --shoal BINARY [--work DIR] [--only NAME …]
       full_parity.py --torch-only         # the loop in float32 beside itself in float64: what rounding leaves

The loop: transformers' model in float32, one sequence at a time, torch's AdamW with the Trainer's groups (biases and
norms do not decay), clipping at 1, cosine schedule after one step of warm-up, whose rate is 0. Compared are the loss
and gradient norm of each step, the first gradient of every parameter, and the whole update: final less initial
weights, read from the run directory, which holds them in float32 here, and from its checkpoint.

Other cases than `sft-…` and `dpo-…`: AdamW and Lion with weight decay, axolotl's unfrozen_parameters, ORPO, KTO, LoRA
with PEFT's modules_to_save, and NEFTune, whose noise is drawn otherwise and compared by its effect on the loss.
"""
import argparse
import dataclasses
import glob
import json
import math
import os
import re
import statistics
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch.nn.functional import logsigmoid
from transformers import Trainer, get_scheduler
from transformers.integrations.neftune import activate_neftune

import family_models
import materials
from torch_side import Shoal, Table, Texts, completion_ids, ids, load, norm, read_lines, token_log_probs, write_lines

# The key of Shoal's configuration that says in what type the final weights are written.
SAVE_DTYPE_KEY = "save_dtype"
STEPS, BATCH, WARMUP, BETA, RANK, ALPHA = 5, 4, 1, 0.1, 8, 16
MAX_GRAD_NORM = 1.0
LOSS, GRAD_NORM, LEARNING_RATE, UPDATE = 1e-3, 1e-3, 1e-6, 1e-2
# Of a parameter's norm, or of the norm of all where that allows more.
GRADIENT, GRADIENT_OF_ALL = 1e-4, 1e-6
# A scale of noise to which losses answer in proportion; steps of so many copies of one example.
NOISE, COPIES, NOISY_STEPS, NOISY_DRAWS = 2.0, 2, 300, 1500


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    objective: str
    checkpoint: str
    optimizer: str = "adamw_torch"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    unfrozen: tuple = ()  # patterns of axolotl's unfrozen_parameters
    saved_modules: tuple = ()  # LoRA on all linears, and these trained whole
    update: float = UPDATE
    tensor_update: float | None = None  # the same for every parameter by itself
    waits: bool = False  # for something that Shoal refuses so far: runs when it is named


ARCHITECTURES = [name for name in family_models.SMALL if name != "llama3-old-spelling"]
CASES = [Case(f"{objective}-{name}", objective, name) for objective in ("sft", "dpo") for name in ARCHITECTURES] + [
    # A decayed norm would be 10 % off.
    Case("adamw-decay", "sft", "qwen3-tied", weight_decay=0.1, tensor_update=4e-2),
    # A sign: where a gradient is nothing but rounding, the two sides part by twice the rate.
    Case("lion-decay", "sft", "qwen2-untied", "lion", 2e-4, 0.1, update=3e-2),
    Case("unfrozen-layers", "sft", "qwen2-tied", unfrozen=("^model.layers",)),
    Case("unfrozen-patterns", "dpo", "llama-biases", weight_decay=0.1,
         unfrozen=("^model.layers.[12].self_attn", "lm_head", ".+norm", "model.layers.0.mlp.(up|down)_proj.bias$")),
    Case("unfrozen-rows", "dpo", "llama-biases", waits=True,
         unfrozen=("^model.embed_tokens.weight$[:700]", "model.layers.[12].self_attn", "^lm_head.weight$[100:]")),
    Case("orpo", "orpo", "qwen2-untied"),
    Case("kto", "kto", "qwen2-tied"),
    Case("lora-saved-modules", "sft", "qwen2-untied", saved_modules=("embed_tokens", "lm_head")),
]


# --- data ------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Record:
    prompt: list
    chosen: list
    rejected: list
    label: bool

    @property
    def completion(self):
        """Of unpaired data: the chosen one is the desirable."""
        return self.chosen if self.label else self.rejected


def write_data(work):
    """The records, and a file for every objective."""
    texts = Texts(seed=11)
    pairs = [texts.pair() for _ in range(STEPS * BATCH - STEPS)] + [texts.pair(prompt=(90, 140)) for _ in range(STEPS)]
    texts.draw.shuffle(pairs)
    labels = [i % 3 != 1 for i in range(len(pairs))]
    files = {
        "dpo": pairs,
        "sft": [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs],
        "kto": [{"prompt": pair["prompt"], "completion": pair["chosen" if label else "rejected"], "label": label}
                for pair, label in zip(pairs, labels)]}
    for name, records in files.items():
        write_lines(os.path.join(work, f"{name}.jsonl"), records)
    return [Record(ids(pair["prompt"]), completion_ids(pair["chosen"]), completion_ids(pair["rejected"]), label)
            for pair, label in zip(pairs, labels)]


# --- torch's side ----------------------------------------------------------------------------------

def log_prob(model, prompt, completion):
    return token_log_probs(model, prompt, completion).sum()


def sft_loss(model, frozen, batch):
    """The mean over all completion tokens of the step."""
    rows = torch.cat([token_log_probs(model, r.prompt, r.chosen) for r in batch])
    return -rows.mean()


def dpo_loss(model, frozen, batch):
    losses = []
    for r in batch:
        with torch.no_grad():
            reference = log_prob(frozen, r.prompt, r.chosen) - log_prob(frozen, r.prompt, r.rejected)
        margin = log_prob(model, r.prompt, r.chosen) - log_prob(model, r.prompt, r.rejected) - reference
        losses.append(-logsigmoid(BETA * margin))
    return torch.stack(losses).mean()


def orpo_loss(model, frozen, batch):
    """TRL's: the likelihood of prompt and chosen completion, and the odds of mean log-probs."""
    whole, odds = [], []
    for r in batch:
        sequence = r.prompt + r.chosen
        whole.append(token_log_probs(model, sequence[:1], sequence[1:]))
        chosen = token_log_probs(model, r.prompt, r.chosen).mean()
        rejected = token_log_probs(model, r.prompt, r.rejected).mean()
        log_odds = (chosen - rejected) - (torch.log1p(-chosen.exp()) - torch.log1p(-rejected.exp()))
        odds.append(logsigmoid(log_odds))
    return -torch.cat(whole).mean() - BETA * torch.stack(odds).mean()


def kto_loss(model, frozen, batch):
    """TRL's: z from the completions of the step turned by one record."""
    def difference(prompt, completion):
        with torch.no_grad():
            reference = log_prob(frozen, prompt, completion)
        return log_prob(model, prompt, completion) - reference

    with torch.no_grad():
        turned = [difference(r.prompt, batch[i - 1].completion) for i, r in enumerate(batch)]
        z = torch.stack(turned).mean().clamp(min=0)
    losses = []
    for r in batch:
        delta = difference(r.prompt, r.completion)
        losses.append(1 - torch.sigmoid(BETA * ((delta - z) if r.label else (z - delta))))
    return torch.stack(losses).mean()


LOSSES = {"sft": sft_loss, "dpo": dpo_loss, "orpo": orpo_loss, "kto": kto_loss}


class Lion(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas):
        super().__init__(groups, dict(lr=lr, betas=betas, weight_decay=0.0))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * (first * m + (1 - first) * p.grad).sign())
                m.mul_(second).add_((1 - second) * p.grad)


def split_pattern(pattern):
    """axolotl's pattern as a compiled expression, in which a dot is a dot, and a slice of rows or None."""
    match = re.match(r"^(.+)\[([0-9]*)(?::([0-9]*))?\]$", pattern)
    name, start, end = match.groups() if match else (pattern, None, None)
    rows = None
    if match:
        first = int(start or 0)
        rows = slice(first, first + 1 if start and end is None else int(end) if end else None)
    return re.compile(re.sub(r"\.(?!\+)", r"\\.", name)), rows


def unfreeze(model, patterns):
    """axolotl's freeze_layers_except (utils/freeze.py of 0.19): rows outside of the slices get no gradient.

    Weight decay would still change them, there.
    """
    for name, parameter in model.named_parameters():
        rows = [rows for expression, rows in map(split_pattern, patterns) if expression.match(name)]
        parameter.requires_grad = bool(rows)
        if any(rows):
            kept = torch.zeros_like(parameter, dtype=torch.bool)
            for part in filter(None, rows):
                kept[part] = True
            parameter.register_hook(lambda gradient, kept=kept: gradient.masked_fill(~kept, 0))


def hub_name(name):
    """A parameter's name in the files that are written: the model's own, or PEFT's."""
    return name.replace(".modules_to_save.default", "").replace(".default", "")


def trained(model):
    return {hub_name(name): p for name, p in model.named_parameters() if p.requires_grad}


def copies(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def prepared(case, directory, dtype, start):
    """The model as training begins: (what computes, its trained parameters by name)."""
    model = load(directory, dtype)
    if case.unfrozen:
        unfreeze(model, case.unfrozen)
    if case.saved_modules:
        torch.manual_seed(0)
        model = get_peft_model(model, LoraConfig(
            r=RANK, lora_alpha=ALPHA, target_modules=materials.ALL_LINEARS, modules_to_save=list(case.saved_modules),
            task_type="CAUSAL_LM")).to(dtype)
        with torch.no_grad():
            for name, tensor in start.items():
                trained(model)[name].copy_(tensor)
    return model, trained(model)


def optimizer_of(case, model):
    decaying = set(Trainer.get_decay_parameter_names(None, model))
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[name in decaying].append(parameter)
    groups = [{"params": groups[True], "weight_decay": case.weight_decay}, {"params": groups[False], "weight_decay": 0.0}]
    if case.optimizer == "lion":
        return Lion(groups, lr=case.learning_rate, betas=(0.9, 0.99))
    return torch.optim.AdamW(groups, lr=case.learning_rate, betas=(0.9, 0.999), eps=1e-8)


@dataclasses.dataclass
class Run:
    log: list  # loss, grad_norm, learning_rate of every step
    gradients: dict  # of the first step, before clipping
    final: dict


def torch_run(case, directory, records, dtype=torch.float32, start=None):
    """The loop: (the run, the trained parameters as it began)."""
    frozen = load(directory, dtype)
    model, parameters = prepared(case, directory, dtype, start or {})
    initial, log, gradients = copies(parameters), [], None
    optimizer = optimizer_of(case, model)
    scheduler = get_scheduler("cosine", optimizer, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = LOSSES[case.objective](model, frozen, records[step * BATCH:(step + 1) * BATCH])
        loss.backward()
        if step == 0:
            gradients = copies({name: p.grad for name, p in parameters.items()})
        grad_norm = torch.nn.utils.clip_grad_norm_(parameters.values(), MAX_GRAD_NORM)
        log.append({"loss": loss.item(), "grad_norm": grad_norm.item(), "learning_rate": scheduler.get_last_lr()[0]})
        optimizer.step()
        scheduler.step()
    return Run(log, gradients, copies(parameters)), initial


# --- Shoal's side ----------------------------------------------------------------------------------

def write_config(case, work, directory):
    """The same five steps; two micro-batches make a step."""
    kind = "dpo" if case.objective == "orpo" else case.objective
    entries = {
        "base_model": directory, "datasets": [{"path": os.path.join(work, f"{kind}.jsonl"), "ds_type": "json"}],
        "sequence_len": 1024, "micro_batch_size": BATCH // 2, "gradient_accumulation_steps": 2, "max_steps": STEPS,
        "shuffle_merged_datasets": False, "curriculum_sampling": True, "optimizer": case.optimizer, "adam_beta1": 0.9,
        "adam_beta2": 0.99 if case.optimizer == "lion" else 0.999, "learning_rate": case.learning_rate,
        "weight_decay": case.weight_decay, "max_grad_norm": MAX_GRAD_NORM, "lr_scheduler": "cosine",
        "warmup_steps": WARMUP, "save_steps": STEPS, "logging_steps": 1, "seed": 0,
        "output_dir": os.path.join(work, f"run-{case.name}")}
    if case.objective != "sft":
        entries.update(rl=case.objective, rl_beta=BETA)
    if case.unfrozen:
        entries["unfrozen_parameters"] = list(case.unfrozen)
    if case.saved_modules:
        entries.update(
            adapter="lora", lora_r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, lora_target_modules=materials.ALL_LINEARS,
            lora_modules_to_save=list(case.saved_modules))
    else:
        entries[SAVE_DTYPE_KEY] = "f32"
    return write_entries(os.path.join(work, f"{case.name}.yaml"), entries), entries["output_dir"]


def write_entries(path, entries):
    """JSON values are YAML."""
    with open(path, "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    return path


def weights(directory):
    """The tensors of a hub or PEFT directory, whether in one file or in shards."""
    for pattern in ("adapter_model.safetensors", "model.safetensors", "model-*-of-*.safetensors"):
        if files := sorted(glob.glob(os.path.join(directory, pattern))):
            return {name: tensor for file in files for name, tensor in load_file(file).items()}
    raise OSError(f"{directory}: no weights")


def first_step(shoal, config, out):
    """The gradients of the first step. Its rate is 0, so that the run directory holds what training begins from."""
    shoal.run("train", "--debug", config, "max_steps=1", "save_steps=1", f"output_dir={out}", "--resume", "never", "--overwrite")
    return load_file(os.path.join(out, "gradients.safetensors"))


def shoal_run(shoal, config, out, gradients):
    shoal.run("train", config, "--resume", "never", "--overwrite")
    log = [entry for entry in read_lines(os.path.join(out, "metrics.jsonl")) if "loss" in entry]
    return Run(log, gradients, weights(out))


# --- comparison ------------------------------------------------------------------------------------

def relative(found, expected):
    error = abs(found - expected) / max(abs(expected), 1e-12)
    return error if math.isfinite(error) else math.inf


def compare_gradients(table, case, found, expected):
    everything, ratios = norm(expected.values()), {}
    for name, gradient in expected.items():
        allowed = max(GRADIENT * norm([gradient]), GRADIENT_OF_ALL * everything)
        error = norm([found[name].double() - gradient.double()]) / allowed
        ratios[name] = error if math.isfinite(error) else math.inf
    worst = max(ratios, key=ratios.get)
    table.add(case.name, "gradient, of allowed", ratios[worst], 1, f"worst of {len(ratios)}: {worst}")


def compare(table, case, found, expected, initial):
    for what, names in (("gradients", found.gradients), ("weights", found.final)):
        # What is frozen is among the weights too.
        missing = expected.final.keys() - names.keys()
        more = names.keys() - expected.final.keys() if what == "gradients" or not case.unfrozen else ()
        if missing or more:
            return table.line(case.name, False, f"{what}: without {sorted(missing)[:3]}, with {sorted(more)[:3]}")
    if len(found.log) != len(expected.log):
        return table.line(case.name, False, f"{len(found.log)} steps logged, not {len(expected.log)}")
    for key, tolerance in (("loss", LOSS), ("grad_norm", GRAD_NORM), ("learning_rate", LEARNING_RATE)):
        pairs = [(entry[key], wanted[key]) for entry, wanted in zip(found.log, expected.log)]
        table.add(case.name, key, max(relative(*pair) for pair in pairs), tolerance,
                  " ".join(f"{wanted:.5g}" for _, wanted in pairs))
    compare_gradients(table, case, found.gradients, expected.gradients)
    errors, updates = {}, {}
    for name, start in initial.items():
        updates[name] = norm([expected.final[name].double() - start.double()])
        errors[name] = norm([found.final[name].double() - expected.final[name].double()])
    update = math.hypot(*updates.values())
    table.add(case.name, "whole update", math.hypot(*errors.values()) / update, case.update,
              f"norm {update:.3g} of {len(updates)} tensors")
    if case.tensor_update:
        worst = max(errors, key=lambda name: errors[name] / updates[name])
        table.add(case.name, "update of a tensor", errors[worst] / updates[worst], case.tensor_update, worst)


def compare_frozen(table, case, directory, final):
    """What is not trained is what it was, to the bit."""
    start = dict(load(directory).named_parameters())
    trainable = {name for name, p in prepared(case, directory, torch.float32, {})[0].named_parameters() if p.requires_grad}
    changed = [name for name in start if name not in trainable and not torch.equal(start[name], final[name].float())]
    table.line(case.name, not changed, f"frozen parameters are unchanged{': not ' + changed[0] if changed else ''}")


def compare_checkpoint(table, case, out, final):
    """The checkpoint's weights are the final ones, in float32."""
    found = weights(os.path.join(out, f"checkpoint-{STEPS}"))
    unequal = [name for name in final if name not in found or found[name].dtype != torch.float32
               or not torch.equal(found[name], final[name])]
    table.line(case.name, not unequal, f"checkpoint-{STEPS} holds the final weights"
               + (f": not {unequal[0]}" if unequal else ""))


def run_case(table, case, shoal, work, records):
    directory = os.path.join(work, case.checkpoint)
    if shoal is None:
        expected, initial = torch_run(case, directory, records)
        start = initial if case.saved_modules else None
        found, _ = torch_run(case, directory, records, torch.float64, start)
        return compare(table, case, found, expected, initial)
    config, out = write_config(case, work, directory)
    first = os.path.join(work, f"first-{case.name}")
    gradients = first_step(shoal, config, first)
    expected, initial = torch_run(case, directory, records, start=weights(first) if case.saved_modules else None)
    found = shoal_run(shoal, config, out, gradients)
    compare(table, case, found, expected, initial)
    if case.unfrozen:
        compare_frozen(table, case, directory, found.final)
    if not case.saved_modules:
        compare_checkpoint(table, case, out, found.final)


# --- NEFTune ---------------------------------------------------------------------------------------

def noisy_losses(directory, record, count):
    """Losses of steps over copies of one example, each under noise of its own, which transformers draws."""
    model = load(directory)
    activate_neftune(model, NOISE)
    model.train()
    torch.manual_seed(1)
    with torch.no_grad():
        return [statistics.fmean(sft_loss(model, None, [record]).item() for _ in range(COPIES)) for _ in range(count)]


def noisy_shoal_losses(shoal, case, work, directory, line):
    """The same of steps whose rate is nearly 0, and the losses in evaluation."""
    data = [{"path": write_lines(os.path.join(work, f"neftune-{n}.jsonl"), [line] * n), "ds_type": "json"}
            for n in (COPIES, 1)]
    path, out = write_config(case, work, directory)
    with open(path) as file:
        entries = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in file)}
    entries.update(
        datasets=data[:1], test_datasets=data[1:], micro_batch_size=COPIES, gradient_accumulation_steps=1,
        max_steps=NOISY_STEPS, save_steps=NOISY_STEPS, lr_scheduler="constant", warmup_steps=0, learning_rate=1e-20,
        neftune_noise_alpha=NOISE)
    shoal.run("train", write_entries(path, entries), "--resume", "never", "--overwrite")
    log = read_lines(os.path.join(out, "metrics.jsonl"))
    return [entry["loss"] for entry in log if "loss" in entry], [entry["eval_loss"] for entry in log if "eval_loss" in entry]


def compare_noise(table, shoal, work, records):
    case, record = Case("neftune", "sft", "qwen2-tied"), max(records, key=lambda r: len(r.chosen) - len(r.prompt))
    directory = os.path.join(work, case.checkpoint)
    with torch.no_grad():
        quiet = sft_loss(load(directory), None, [record]).item()
    expected = noisy_losses(directory, record, NOISY_DRAWS)
    if shoal is None:
        found, held_out = noisy_losses(directory, record, NOISY_DRAWS + NOISY_STEPS)[NOISY_DRAWS:], [quiet]
    else:
        line = read_lines(os.path.join(work, "sft.jsonl"))[records.index(record)]
        found, held_out = noisy_shoal_losses(shoal, case, work, directory, line)
    mean, wanted = statistics.fmean(found), statistics.fmean(expected)
    spread, wanted_spread = statistics.stdev(found), statistics.stdev(expected)
    error = wanted_spread * math.sqrt(1 / len(found) + 1 / len(expected))
    table.add("neftune", "no noise in evaluation", max(relative(value, quiet) for value in held_out), 1e-4,
              f"{len(held_out)} evaluations")
    table.line("neftune", len(set(found)) == len(found), f"{len(set(found))} different losses in {len(found)} steps")
    table.add("neftune", "mean, standard errors", abs(mean - wanted) / error, 4, f"{mean:.5g} for {wanted:.5g}")
    table.add("neftune", "spread, relative", relative(spread, wanted_spread), 0.15,
              f"{spread:.4g} for {wanted_spread:.4g}; in proportion to alpha")


# --- main ------------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--shoal", metavar="BINARY")
    side.add_argument("--torch-only", action="store_true")
    parser.add_argument("--work", help="where runs stay; default: a temporary directory")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[case.name for case in CASES] + ["neftune"])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    family_models.quieten()
    torch.set_num_threads(arguments.threads)
    table = Table()
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(arguments.work or scratch)
        os.makedirs(work, exist_ok=True)
        shoal = Shoal(arguments.shoal, os.path.join(work, "cache"), arguments.threads) if arguments.shoal else None
        records = write_data(work)
        for name in ARCHITECTURES:
            family_models.write(os.path.join(work, name), name)
        for case in CASES:
            if case.name in arguments.only if arguments.only else not case.waits:
                table.guarded(case.name, run_case, table, case, shoal, work, records)
        if not arguments.only or "neftune" in arguments.only:
            table.guarded("neftune", compare_noise, table, shoal, work, records)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
