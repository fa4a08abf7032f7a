"""Shoal beside TRL, PEFT and transformers, on one tiny checkpoint with the real vocabulary.

usage: train_parity.py SHOAL_BINARY WORKDIR [--texts FILE…] [--reuse]

Makes the inputs in WORKDIR, runs TRL's DPOTrainer and `shoal` on them and compares: token ids, log-probs,
the first step's gradients, five steps of loss and gradient norm, the adapter they end in, and what
transformers and PEFT make of the exports. Prints a table; the exit status is 0 when every line holds.
TRL trains in float32 with the bare base as reference (its `ref_model`), pairs in file order.
"""
import argparse
import json
import logging
import math
import os
import shutil
import subprocess
import sys
import types

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import disable_progress_bars, load_dataset
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig, DPOTrainer

import materials

STEPS, BATCH, RANK, ALPHA, BETA = 5, 4, 8, 16, 0.1
SCHEDULERS = ("constant", "linear")
TRAINING = {"learning_rate": 1e-3, "weight_decay": 0.01, "max_grad_norm": 1.0}

# What the contract promises, and for exports what float32 arithmetic in another order leaves.
TOLERANCES = {
    "log-prob per token": 1e-4,
    "gradient, relative to the module's norm": 1e-4,
    "loss, relative": 1e-3,
    "grad_norm, relative": 1e-3,
    "learning_rate, relative": 1e-6,
    "logged value": 1e-3,
    "adapter's total update, relative": 1e-2,
    "logits, relative to their norm": 1e-5,
    "weights more than one unit in the last place away": 0,
    "records that differ": 0,
}


class Table:
    """The lines of the report; a value above its tolerance, or not a number, fails."""

    def __init__(self):
        self.failed = False

    def add(self, section, quantity, value, detail=""):
        holds = value <= TOLERANCES[quantity]  # false for NaN
        self.failed = self.failed or not holds
        mark = "ok  " if holds else "FAIL"
        print(f"{mark} {section:<32} {quantity:<49} {value:9.2e} <= {TOLERANCES[quantity]:.0e}  {detail}",
              flush=True)

    def fail(self, section, error):
        self.failed = True
        print(f"FAIL {section:<32} {error}", flush=True)


class Work:
    """Where everything lies."""

    def __init__(self, binary, directory):
        self.binary, self.directory = os.path.abspath(binary), os.path.abspath(directory)
        self.tokenizer, self.model, self.adapter = (
            self.path(name) for name in ("tokenizer", "model", "adapter"))
        self.pairs, self.plain = self.path("pairs.jsonl"), self.path("plain.jsonl")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def shoal(self, *arguments, text=None):
        """Runs shoal; its output, or an error that shows what it said."""
        environment = {**os.environ, "SHOAL_CACHE": self.path("cache")}
        done = subprocess.run(
            [self.binary, *arguments], input=text, text=True, capture_output=True, env=environment)
        if done.returncode:
            raise RuntimeError(f"shoal {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def make_inputs(work, texts, reuse):
    if reuse and os.path.exists(work.plain):
        return
    shutil.rmtree(work.directory, ignore_errors=True)
    os.makedirs(work.directory)
    materials.write_tokenizer(work.tokenizer)
    materials.write_checkpoint(work.model, "tiny", work.tokenizer)
    materials.write_adapter(work.adapter, work.model, RANK, ALPHA)
    lengths = dict(prompt=(5, 96), chosen=(1, 32), rejected=(1, 32))
    materials.write_pairs(work.pairs, work.tokenizer, STEPS * BATCH, texts, seed=1, **lengths)
    materials.write_pairs(work.plain, work.tokenizer, 12, texts, seed=2, conversational=False, **lengths)


# --- torch's side ----------------------------------------------------------------------------------

def load_model(work, adapter=None, trainable=False):
    model = AutoModelForCausalLM.from_pretrained(work.model, dtype=torch.float32)
    return PeftModel.from_pretrained(model, adapter, is_trainable=trainable) if adapter else model.eval()


def trainable(model):
    """The adapter under the names PEFT writes."""
    return {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}


def tokenized(work, path):
    """TRL's own preparation: rows with prompt_ids, chosen_ids, rejected_ids."""
    tokenizer = AutoTokenizer.from_pretrained(work.model)
    data = load_dataset("json", data_files=path, split="train", cache_dir=work.path("datasets"))
    owner = types.SimpleNamespace(_tokenizer=tokenizer)
    config = DPOConfig(output_dir=work.path("trl"), use_cpu=True, bf16=False, max_length=1024, report_to=[])
    return list(DPOTrainer._prepare_dataset(owner, data, tokenizer, config, "train"))


def log_prob(model, prompt, completion):
    """Σ log-prob of the completion after the prompt, as a sequence of its own, summed in float64."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0]
    rows = logits[len(prompt) - 1:-1].log_softmax(-1)
    return rows.gather(-1, torch.tensor(completion)[:, None]).double().sum().item()


class RecordingTrainer(DPOTrainer):
    """TRL's trainer, keeping the gradients of the first step before they are clipped."""

    first_gradients = None

    def training_step(self, model, *arguments, **options):
        loss = super().training_step(model, *arguments, **options)
        if self.first_gradients is None:
            self.first_gradients = {n: p.grad.clone() for n, p in trainable(model).items()}
        return loss


def trl_run(work, scheduler):
    """Five steps of TRL: (log per step, first gradients, final adapter)."""
    config = DPOConfig(
        output_dir=work.path("trl"), per_device_train_batch_size=BATCH, max_steps=STEPS, beta=BETA,
        lr_scheduler_type=scheduler, warmup_steps=0, max_length=1024, gradient_checkpointing=False,
        train_sampling_strategy="sequential", use_cpu=True, bf16=False, logging_steps=1, report_to=[],
        save_strategy="no", disable_tqdm=True, seed=0, **TRAINING)
    data = load_dataset("json", data_files=work.pairs, split="train", cache_dir=work.path("datasets"))
    trainer = RecordingTrainer(
        model=load_model(work, work.adapter, trainable=True), ref_model=load_model(work), args=config,
        train_dataset=data, processing_class=AutoTokenizer.from_pretrained(work.model))
    trainer.remove_callback(PrinterCallback)  # the table is what this script prints
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    final = {n: p.detach().clone() for n, p in trainable(trainer.model).items()}
    return log, trainer.first_gradients, final


# --- sections --------------------------------------------------------------------------------------

def compare_tokens(work, table):
    tokenizer = AutoTokenizer.from_pretrained(work.model)
    pairs = read_lines(work.pairs)

    def differing(inputs, expected, *flags):
        lines = "".join(json.dumps(value) + "\n" for value in inputs)
        found = work.shoal("tokenize", "--model", work.model, *flags, text=lines).splitlines()
        missing = abs(len(found) - len(expected))
        return missing + sum(json.loads(a) != b for a, b in zip(found, expected))

    def rendered(messages, header):
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=header, tokenize=True, return_dict=True)["input_ids"]

    texts = [text for pair in read_lines(work.plain) for text in pair.values()]
    prompts = [pair["prompt"] for pair in pairs]
    wholes = [pair["prompt"] + pair["chosen"] for pair in pairs]
    for name, inputs, expected, flags in (
        ("plain", texts, [tokenizer(text)["input_ids"] for text in texts], ()),
        ("chat", wholes, [rendered(m, False) for m in wholes], ("--chat",)),
        ("chat, generation prompt", prompts, [rendered(m, True) for m in prompts],
         ("--chat", "--generation-prompt")),
    ):
        table.add(f"tokenize {name}", "records that differ", differing(inputs, expected, *flags),
                  f"of {len(inputs)}")


def scored(work, data, out, adapter):
    arguments = ["score", "--model", work.model, "--data", data, "--out", out]
    work.shoal(*arguments, *(["--adapter", adapter] if adapter else []))
    return read_lines(out)


def compare_log_probs(work, table, section, data, adapter):
    """`shoal score` against transformers (and PEFT) on sequences of their own."""
    rows = tokenized(work, data)
    found = scored(work, data, work.path(f"{section.replace(' ', '-')}.jsonl"), adapter)
    model = load_model(work, adapter).eval()
    worst, differing = 0.0, abs(len(found) - len(rows))
    for index, (row, line) in enumerate(zip(rows, found)):
        differing += line["index"] != index
        for name in ("chosen", "rejected"):
            ids = row[f"{name}_ids"]
            differing += line[name]["tokens"] != len(ids)
            error = abs(line[name]["logp"] - log_prob(model, row["prompt_ids"], ids)) / len(ids)
            worst = max(worst, error if math.isfinite(error) else math.inf)
    table.add(section, "records that differ", differing, "index or token count")
    table.add(section, "log-prob per token", worst, f"{2 * len(rows)} completions")


def write_config(work, scheduler):
    """The same five steps, in axolotl's spelling (JSON values are YAML)."""
    entries = {
        "base_model": work.model, "adapter": "lora", "lora_r": RANK, "lora_alpha": ALPHA,
        "lora_dropout": 0.0, "lora_target_modules": materials.ALL_LINEARS, "lora_model_dir": work.adapter,
        "rl": "dpo", "rl_beta": BETA, "rl_adapter_ref_model": False,
        "datasets": [{"path": work.pairs, "ds_type": "json"}], "sequence_len": 1024,
        "micro_batch_size": BATCH // 2, "gradient_accumulation_steps": 2, "max_steps": STEPS,
        "shuffle_merged_datasets": False, "curriculum_sampling": True, "optimizer": "adamw_torch",
        "lr_scheduler": scheduler, "warmup_steps": 0, "logging_steps": 1, "seed": 0,
        "output_dir": work.path(f"run-{scheduler}"), **TRAINING}
    path = work.path(f"{scheduler}.yaml")
    with open(path, "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    return path, entries["output_dir"]


def norm(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


def compare_gradients(work, table, expected):
    """The first step's gradients, module by module, from the debug mode."""
    config, _ = write_config(work, SCHEDULERS[0])
    out = work.path("run-debug")
    work.shoal(
        "train", "--debug", config, "max_steps=1", f"output_dir={out}", "--resume", "never", "--overwrite")
    found = load_file(os.path.join(out, "gradients.safetensors"))
    table.add("first step", "records that differ", len(found.keys() ^ expected.keys()), "tensor names")
    errors = {}
    for name, gradient in expected.items():
        if name in found:
            error = norm([found[name].double() - gradient.double()]) / norm([gradient])
            errors[name] = error if math.isfinite(error) else math.inf
    worst = max(errors, key=errors.get)
    table.add("first step", "gradient, relative to the module's norm", errors[worst],
              f"worst of {len(errors)}: {worst.removeprefix('base_model.model.model.')}")


def relative(found, expected):
    error = abs(found - expected) / max(abs(expected), 1e-12)
    return error if math.isfinite(error) else math.inf


def compare_training(work, table, scheduler, log, final):
    """Five steps: what is logged, and where the adapter ends."""
    config, out = write_config(work, scheduler)
    work.shoal("train", config, "--resume", "never", "--overwrite")
    metrics = [m for m in read_lines(os.path.join(out, "metrics.jsonl")) if "loss" in m]
    section = f"five steps, {scheduler}"
    table.add(section, "records that differ", abs(len(metrics) - len(log)), "steps logged")
    for key in ("loss", "grad_norm", "learning_rate"):
        table.add(section, f"{key}, relative", max(
            relative(m[key], entry[key]) for m, entry in zip(metrics, log)))
    for key in ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
                "logps/chosen", "logps/rejected"):
        table.add(section, "logged value", max(
            abs(m[key] - entry[key]) / max(1, abs(entry[key])) for m, entry in zip(metrics, log)), key)
    start = load_file(os.path.join(work.adapter, "adapter_model.safetensors"))
    found = load_file(os.path.join(out, "adapter_model.safetensors"))
    error = norm(found[name].double() - tensor.double() for name, tensor in final.items())
    update = norm(tensor.double() - start[name].double() for name, tensor in final.items())
    table.add(section, "adapter's total update, relative", error / update,
              f"update {update:.3g}, {len(final)} tensors")
    return out


def logits(model, rows):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([r["prompt_ids"] + r["chosen_ids"]]), use_cache=False).logits
                for r in rows]


def logits_distance(found, expected):
    return norm(a - b for a, b in zip(found, expected)) / norm(expected)


def more_than_one_place_away(found, expected):
    """Entries of two bf16 tensors farther apart than one unit in the last place, or float32's own rounding
    where weight and update cancel."""
    found, expected = found.float(), expected.float()
    return ((found - expected).abs() > expected.abs() / 128 + 1e-6).sum().item()


def compare_exports(work, table, run):
    """transformers loads what `shoal export` merged, PEFT what `shoal train` left; both compute the same."""
    rows = tokenized(work, work.pairs)[:4]
    adapted = load_model(work, run).eval()
    expected = logits(adapted, rows)
    bare = logits_distance(logits(load_model(work), rows), expected)
    outs = {dtype: work.path(f"merged-{dtype}") for dtype in ("f32", "bf16")}
    for dtype, out in outs.items():
        shutil.rmtree(out, ignore_errors=True)
        work.shoal("export", "--model", work.model, "--adapter", run, "--format", "merged", "--out", out,
                   "--dtype", dtype)
    loaded = AutoModelForCausalLM.from_pretrained(outs["f32"], dtype=torch.float32).eval()
    table.add("merged f32, transformers", "logits, relative to their norm",
              logits_distance(logits(loaded, rows), expected), f"base without adapter: {bare:.1e}")
    merged = adapted.merge_and_unload().to(torch.bfloat16).state_dict()
    found = AutoModelForCausalLM.from_pretrained(outs["bf16"]).state_dict()
    table.add("merged bf16, transformers", "records that differ", len(found.keys() ^ merged.keys()),
              "tensor names")
    common = found.keys() & merged.keys()
    unequal = sum((found[name] != merged[name]).sum().item() for name in common)
    table.add("merged bf16, transformers", "weights more than one unit in the last place away", sum(
        more_than_one_place_away(found[name], merged[name]) for name in common), f"{unequal} not equal")
    tokenizer = AutoTokenizer.from_pretrained(outs["f32"])
    ids = tokenizer("Summarize: the sea.")["input_ids"]
    table.add("merged, tokenizer", "records that differ",
              int(ids != AutoTokenizer.from_pretrained(work.model)("Summarize: the sea.")["input_ids"]))
    compare_log_probs(work, table, "final adapter, PEFT", work.pairs, run)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("workdir")
    parser.add_argument("--texts", nargs="*", default=[], help="default: Python's documentation topics")
    parser.add_argument("--reuse", action="store_true", help="keep the inputs of an earlier run")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    disable_progress_bar()
    disable_progress_bars()
    table, work = Table(), Work(arguments.binary, arguments.workdir)
    make_inputs(work, arguments.texts, arguments.reuse)
    runs = {scheduler: trl_run(work, scheduler) for scheduler in SCHEDULERS}

    def section(name, body, *values):
        """One failing command must not hide what the others say."""
        try:
            return body(work, table, *values)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            table.fail(name, f"{type(error).__name__}: {error}")

    section("tokenize", compare_tokens)
    section("score, base", compare_log_probs, "score, base", work.pairs, None)
    section("score, adapter", compare_log_probs, "score, adapter", work.pairs, work.adapter)
    section("score, plain", compare_log_probs, "score, plain strings", work.plain, work.adapter)
    section("first step", compare_gradients, runs[SCHEDULERS[0]][1])
    finished = None
    for scheduler, (log, _, final) in runs.items():
        finished = section(f"five steps, {scheduler}", compare_training, scheduler, log, final) or finished
    if finished:
        section("exports", compare_exports, finished)
    sys.exit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
