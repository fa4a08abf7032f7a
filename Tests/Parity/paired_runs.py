"""One training run by TRL and the same one by `shoal`, compared line by line.

objectives_parity.py and lora_parity.py hold the cases. Every case runs three times over two steps of data, the
second a pair short, so that a step's loss can be set against the first loss on the same data: what is left is what
training changed.

The data are strings whose prompts end in a line break and whose completions begin with a letter. No token spans
that seam, so TRL's trainers, which look for it in three ways, agree about the ids: prompt, completion,
end-of-sequence token. Where tokens do merge, CPOTrainer and ORPOTrainer leave out one token of the prompt at most
and may begin the two completions at different places; Shoal does as DPOTrainer, which leaves out all that merged for
either. With conversations CPOTrainer and ORPOTrainer add one more end-of-sequence token after the template's.

One micro-batch of TRL is a whole step, because its likelihood terms, `kl` and `aot` belong to a micro-batch. Packed
rows are micro-batches of one row in transformers' own trainer, which takes the mean over a step's tokens.
"""
import argparse
import ctypes
import dataclasses
import json
import logging
import math
import os
import random
import shutil
import subprocess
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
logging.disable(logging.WARNING)
warnings.simplefilter("ignore", FutureWarning)

import torch
from datasets import Dataset, disable_progress_bars, load_dataset
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM, AutoTokenizer, PrinterCallback, Trainer, TrainingArguments, default_data_collator)
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

import materials

BATCH, ROWS, STEPS_OF_DATA, EPOCHS, RANK, ALPHA = 4, 7, 2, 3, 8, 16
TRAINERS = {
    "dpo": (DPOTrainer, DPOConfig), "kto": (KTOTrainer, KTOConfig), "sft": (SFTTrainer, SFTConfig),
    "cpo": (CPOTrainer, CPOConfig), "orpo": (ORPOTrainer, ORPOConfig), "packed": (Trainer, TrainingArguments)}
# The same words on both sides. Clipping is off: a norm is only logged with a limit.
TRAINING = {"learning_rate": 2e-3, "weight_decay": 0.1, "max_grad_norm": 1e9, "warmup_steps": 0, "seed": 0}
# glibc's M_MMAP_MAX and M_TRIM_THRESHOLD: freed logits go back to the kernel otherwise, which clears them each time.
for option, value in ((-4, 0), (-1, 2**31 - 1)):
    ctypes.CDLL(None).mallopt(option, value)
# Less than this would be no training to compare.
LEAST_CHANGE = 0.01

# The two sides differ by rounding, some 1e-6, unless an entry's gradient in the first step is nothing but rounding:
# optimizers make a whole step of it, in either direction.
TOLERANCES = {
    "first loss": 1e-4,
    "loss changes": 0.02,
    "grad_norm": 1e-3,
    "learning_rate": 1e-6,
    "logged values": 1e-3,
    "adapter's update": 1e-2,
}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    trainer: str
    data: str
    trl: dict  # settings of TRL's configuration
    shoal: dict  # keys of Shoal's
    metrics: tuple = ()  # logged by both under the same names
    # What the reference is: "base", without adapters, "start", the adapter as training found it, or none.
    reference: str | None = None
    training: dict = dataclasses.field(default_factory=dict)  # other values for TRAINING
    adapter: str = "adapter"
    optimizer: object = None  # makes TRL's optimizer from the model, instead of its own AdamW
    tolerances: dict = dataclasses.field(default_factory=dict)


class Work:
    """Where everything lies."""

    def __init__(self, binary, directory):
        self.binary, self.directory = os.path.abspath(binary), os.path.abspath(directory)
        self.model = self.path("model")

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def data(self, kind):
        return self.path(f"{kind}.jsonl")

    def shoal(self, *arguments):
        environment = {**os.environ, "SHOAL_CACHE": self.path("cache")}
        done = subprocess.run([self.binary, *arguments], text=True, capture_output=True, env=environment)
        if done.returncode:
            raise RuntimeError(f"shoal {arguments[0]}: exit {done.returncode}: {done.stderr[-1500:].strip()}")


# --- inputs ----------------------------------------------------------------------------------------

def write_lines(path, records):
    with open(path, "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def write_data(work, seed=3):
    """The kinds of data, of strings cut out of Python's documentation topics."""
    tokenizer, draw = AutoTokenizer.from_pretrained(work.model), random.Random(seed)
    ids = tokenizer(materials.text_of(()), verbose=False)["input_ids"]

    def cut(shortest, longest):
        while True:
            length = draw.randint(shortest, longest)
            start = draw.randrange(len(ids) - length)
            text = tokenizer.decode(ids[start:start + length]).strip()
            if text and text[0].isalpha():
                return text

    pairs = [{"prompt": cut(4, 24) + "\n", "chosen": cut(3, 16), "rejected": cut(3, 16)} for _ in range(ROWS)]
    # Where both are as long, an adapter changes the order of margins, by which `aot` sorts.
    even = [{"prompt": cut(4, 24) + "\n", "chosen": cut(8, 8), "rejected": cut(8, 8)} for _ in range(ROWS)]
    for pair in pairs + even:
        for name in ("chosen", "rejected"):
            prompt, whole = (tokenizer(text)["input_ids"] for text in (pair["prompt"], pair["prompt"] + pair[name]))
            assert whole == prompt + tokenizer(pair[name])["input_ids"], pair
    completions = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    # Steps with more desirable and with more undesirable examples.
    labels = [True, True, False, True, False, True, False]
    write_lines(work.data("pairs"), pairs)
    write_lines(work.data("even"), even)
    write_lines(work.data("completions"), completions)
    write_lines(work.data("unpaired"), [{**c, "label": label} for c, label in zip(completions, labels, strict=True)])
    write_lines(work.data("texts"), [{"text": cut(6, 40)} for _ in range(ROWS)])


def make_inputs(work, adapters, reuse):
    done = work.path("complete")
    if reuse and os.path.exists(done):
        return
    shutil.rmtree(work.directory, ignore_errors=True)
    os.makedirs(work.directory)
    materials.write_tokenizer(work.path("tokenizer"))
    materials.write_checkpoint(work.model, "tiny", work.path("tokenizer"))
    write_data(work)
    for name, settings in adapters.items():
        materials.write_adapter(work.path(name), work.model, RANK, ALPHA, **settings)
    open(done, "w").close()


def packed_rows(work, case):
    """Rows of whole examples for transformers: positions that start again keep attention inside of each."""
    tokenizer, rows = AutoTokenizer.from_pretrained(work.model), []
    with open(work.data(case.data)) as file:
        records = [json.loads(line) for line in file]
    for record in records:
        prompt = tokenizer(record["prompt"])["input_ids"]
        answer = tokenizer(record["completion"])["input_ids"] + [tokenizer.eos_token_id]
        length = len(prompt) + len(answer)
        row = next((row for row in rows if len(row["input_ids"]) + length <= case.shoal["sequence_len"]), None)
        if row is None:
            row = {"input_ids": [], "labels": [], "position_ids": []}
            rows.append(row)
        row["input_ids"] += prompt + answer
        row["labels"] += [-100] * len(prompt) + answer
        row["position_ids"] += range(length)
    assert len(rows) == STEPS_OF_DATA * case.shoal["gradient_accumulation_steps"] < len(records), len(rows)
    return Dataset.from_list(rows)


# --- the two sides ---------------------------------------------------------------------------------

def trainable(model):
    """The trained adapter under the names PEFT writes."""
    return {n.replace(".default", ""): p for n, p in model.named_parameters() if ".default." in n}


def trl_run(work, case):
    """TRL's log of every step and its final adapter."""
    trainer_class, config_class = TRAINERS[case.trainer]
    training = {**TRAINING, **case.training}
    training["lr_scheduler_type"] = training.pop("lr_scheduler", "constant")
    packs = case.trainer == "packed"
    batch = {"per_device_train_batch_size": BATCH, "max_length": 1024}
    if packs:
        steps = case.shoal["gradient_accumulation_steps"]
        batch = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": steps}
    config = config_class(
        output_dir=work.path("trl"), num_train_epochs=EPOCHS, **batch,
        gradient_checkpointing=False, train_sampling_strategy="sequential", use_cpu=True, bf16=False,
        logging_steps=1, report_to=[], save_strategy="no", disable_tqdm=True, **{**training, **case.trl})
    base = [AutoModelForCausalLM.from_pretrained(work.model, dtype=torch.float32) for _ in range(2)]
    model = PeftModel.from_pretrained(base[0], work.path(case.adapter), is_trainable=True)
    # Without a ref_model TRL takes the adapter that it starts from for the reference.
    reference = {"ref_model": base[1].eval()} if case.reference == "base" else {}
    trainer = trainer_class(
        model=model, args=config, processing_class=AutoTokenizer.from_pretrained(work.model),
        train_dataset=packed_rows(work, case) if packs else load_dataset(
            "json", data_files=work.data(case.data), split="train", cache_dir=work.path("datasets")),
        optimizers=(case.optimizer(model) if case.optimizer else None, None), **reference,
        **({"data_collator": default_data_collator} if packs else {}))
    trainer.remove_callback(PrinterCallback)  # the table is what these scripts print
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    return log, {name: tensor.detach().clone() for name, tensor in trainable(trainer.model).items()}


def shoal_run(work, case):
    """Shoal's log of every step and its final adapter; two micro-batches make its step."""
    out = work.path(f"run-{case.name}")
    with open(work.path(case.adapter, "adapter_config.json")) as file:
        rank_stabilised = json.load(file)["use_rslora"]
    entries = {
        "base_model": work.model, "adapter": "lora", "lora_r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0,
        "lora_target_modules": materials.ALL_LINEARS, "peft_use_rslora": rank_stabilised,
        "lora_model_dir": work.path(case.adapter),
        "datasets": [{"path": work.data(case.data), "ds_type": "json"}], "sequence_len": 1024,
        "micro_batch_size": BATCH // 2, "gradient_accumulation_steps": 2, "num_epochs": EPOCHS,
        "shuffle_merged_datasets": False, "curriculum_sampling": True, "optimizer": "adamw_torch",
        "lr_scheduler": "constant", "logging_steps": 1, "output_dir": out, **TRAINING, **case.training}
    # The starting adapter is the reference by default, as in TRL.
    if case.reference == "base":
        entries["rl_adapter_ref_model"] = False
    entries.update(case.shoal)
    path = work.path(f"{case.name}.yaml")
    with open(path, "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    work.shoal("train", path, "--resume", "never", "--overwrite")
    with open(os.path.join(out, "metrics.jsonl")) as file:
        log = [entry for entry in map(json.loads, file) if "loss" in entry]
    return log, load_file(os.path.join(out, "adapter_model.safetensors"))


# --- comparison ------------------------------------------------------------------------------------

class Table:
    """The lines of the report; a value above its tolerance, or not a number, fails."""

    def __init__(self):
        self.failed = []

    def add(self, case, quantity, value, detail=""):
        tolerance = case.tolerances.get(quantity, TOLERANCES[quantity])
        holds = value <= tolerance  # false for NaN
        self.line(case, holds, f"{quantity:<17} {value:9.2e} <= {tolerance:.0e}  {detail}")

    def fail(self, case, reason):
        self.line(case, False, reason)

    def line(self, case, holds, text):
        if not holds:
            self.failed.append(case.name)
        print(f"{'ok  ' if holds else 'FAIL'} {case.name:<22} {text}", flush=True)


def worst(found, expected, scales):
    """The largest error relative to its scale, and its step."""
    errors = [abs(f - e) / s if s else abs(f - e) for f, e, s in zip(found, expected, scales, strict=True)]
    place = max(range(len(errors)), key=lambda i: errors[i] if math.isfinite(errors[i]) else math.inf)
    return errors[place], place


def changes(losses):
    """Every loss less the first on the same data."""
    return [losses[i] - losses[i % STEPS_OF_DATA] for i in range(STEPS_OF_DATA, len(losses))]


def norm(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


def compare(table, work, case):
    expected, final = trl_run(work, case)
    found, adapter = shoal_run(work, case)
    if len(found) != len(expected):
        return table.fail(case, f"{len(found)} steps logged, not {len(expected)}")

    def columns(name):
        return [entry[name] for entry in found], [entry[name] for entry in expected]

    losses, references = columns("loss")
    table.add(case, "first loss", abs(losses[0] / references[0] - 1), f"{references[0]:.6g}")
    moved, reference_moves = changes(losses), changes(references)
    error, place = worst(moved, reference_moves, [abs(change) for change in reference_moves])
    table.add(
        case, "loss changes", error, " ".join(f"{change:+.3g}" for change in reference_moves)
        + f"; step {place + STEPS_OF_DATA + 1}: {moved[place]:+.6g} for {reference_moves[place]:+.6g}")
    if max(map(abs, reference_moves)) < LEAST_CHANGE * abs(references[0]):
        table.fail(case, "the loss hardly changes: this compares nothing")
    for name in ("grad_norm", "learning_rate"):
        values, wanted = columns(name)
        error, place = worst(values, wanted, map(abs, wanted))
        table.add(case, name, error, f"step {place + 1}: {values[place]:.6g} for {wanted[place]:.6g}")
    worsts = {}
    for name in case.metrics:
        if any(name not in entry for entry in found):
            table.fail(case, f"{name} is not logged at every step")
            continue
        values, wanted = columns(name)
        scale = max(map(abs, wanted))
        if name == "kl" and scale == 0:
            table.fail(case, "kl is 0 at every step: this compares nothing")
        error, place = worst(values, wanted, [scale] * len(wanted))
        worsts[name] = error, f"{name}, step {place + 1}: {values[place]:.6g} for {wanted[place]:.6g}"
    if worsts:
        table.add(case, "logged values", *max(worsts.values(), key=lambda item: item[0]))
    if adapter.keys() != final.keys():
        return table.fail(case, "other tensors in the adapter")
    start = load_file(work.path(case.adapter, "adapter_model.safetensors"))
    update = norm(tensor.double() - start[name].double() for name, tensor in final.items())
    error = norm(adapter[name].double() - tensor.double() for name, tensor in final.items())
    table.add(case, "adapter's update", error / update, f"norm {update:.3g}")


def main(description, cases, adapters):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("workdir")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[case.name for case in cases])
    parser.add_argument("--reuse", action="store_true", help="keep the inputs of an earlier run")
    arguments = parser.parse_args()
    disable_progress_bar()
    disable_progress_bars()
    table, work = Table(), Work(arguments.binary, arguments.workdir)
    make_inputs(work, adapters, arguments.reuse)
    chosen = [case for case in cases if not arguments.only or case.name in arguments.only]
    for case in chosen:
        try:
            compare(table, work, case)
        except (RuntimeError, OSError, ValueError, KeyError) as error:  # the other cases still say something
            table.fail(case, f"{type(error).__name__}: {error}")
    failed = sorted(set(table.failed))
    print(f"{len(chosen) - len(failed)} of {len(chosen)} cases hold" + "".join(f"\n  not: {name}" for name in failed))
    sys.exit(1 if failed else 0)
