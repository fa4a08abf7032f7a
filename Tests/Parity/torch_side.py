"""What the comparisons of whole models share: data that both sides tokenise alike, the model in torch, the table.

families_parity.py, full_parity.py and full_loads.py use it.

The data are strings whose prompts end in a line break and whose completions begin with a letter. No token spans that
seam, so a record's ids are those of its prompt, those of its completion and the end-of-turn token.
"""
import json
import math
import os
import random
import subprocess

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

import family_models
import materials

TOKENIZER = Tokenizer.from_file(os.path.join(family_models.TOKENIZER, "tokenizer.json"))


def ids(text):
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def completion_ids(text):
    return ids(text) + [family_models.END_OF_TURN]


class Texts:
    """Pieces of Python's documentation topics, by seed."""

    def __init__(self, seed):
        self.ids, self.draw = ids(materials.text_of(())), random.Random(seed)

    def cut(self, shortest, longest):
        """A text of so many tokens, more or less, that begins with a letter and has no blanks at its ends."""
        while True:
            length = self.draw.randint(shortest, longest)
            start = self.draw.randrange(len(self.ids) - length)
            text = TOKENIZER.decode(self.ids[start:start + length]).strip()
            if text and text[0].isalpha() and "\ufffd" not in text:
                return text

    def pair(self, prompt=(3, 40), completion=(2, 24)):
        found = {"prompt": self.cut(*prompt) + "\n", "chosen": self.cut(*completion),
                 "rejected": self.cut(*completion)}
        for name in ("chosen", "rejected"):
            assert ids(found["prompt"] + found[name]) == ids(found["prompt"]) + ids(found[name]), found
        return found


def write_lines(path, records):
    with open(path, "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


# --- torch's side ----------------------------------------------------------------------------------

def load(directory, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa").eval()


def token_log_probs(model, prompt, completion):
    """Log-probs of the completion's tokens after the prompt, as a sequence of its own."""
    rows = model(input_ids=torch.tensor([prompt + completion]), use_cache=False).logits[0, len(prompt) - 1:-1]
    return rows.log_softmax(-1).gather(-1, torch.tensor(completion)[:, None])[:, 0]


def norm(tensors):
    return math.sqrt(sum(t.double().square().sum().item() for t in tensors))


# --- Shoal's side ----------------------------------------------------------------------------------

class Shoal:
    def __init__(self, binary, cache, threads=2):
        self.binary, self.threads = os.path.abspath(binary), str(threads)
        self.environment = {**os.environ, "SHOAL_CACHE": cache}

    def run(self, command, *arguments):
        """Its output, or an error that shows what it said."""
        done = subprocess.run(
            [self.binary, command, *arguments, "--threads", self.threads], text=True, capture_output=True,
            env=self.environment)
        if done.returncode:
            raise RuntimeError(f"shoal {command}: exit {done.returncode}: {done.stderr[-1500:].strip()}")
        return done.stdout

    def score(self, model, data, out, adapter=None):
        """One object per record of `data`."""
        self.run("score", "--model", model, "--data", data, "--out", out, "--overwrite",
                 *(["--adapter", adapter] if adapter else []))
        return read_lines(out)


def compare_scores(table, case, lines, records, model, tolerance):
    """`shoal score` of preference records beside transformers (and PEFT)."""
    if len(lines) != len(records):
        return table.line(case, False, f"{len(lines)} records scored, not {len(records)}")
    worst, counts = 0.0, 0
    with torch.no_grad():
        for line, record in zip(lines, records):
            prompt = ids(record["prompt"])
            for name in ("chosen", "rejected"):
                completion = completion_ids(record[name])
                expected = token_log_probs(model, prompt, completion).double().sum().item()
                counts += line[name]["tokens"] != len(completion)
                error = abs(line[name]["logp"] - expected) / len(completion)
                worst = max(worst, error if math.isfinite(error) else math.inf)
    if counts:
        return table.line(case, False, f"{counts} completions have another number of tokens")
    table.add(case, "log-prob per token", worst, tolerance, f"{2 * len(records)} completions")


# --- the report ------------------------------------------------------------------------------------

class Table:
    """A value above its tolerance, or not a number, fails."""

    def __init__(self):
        self.cases, self.failed = [], []

    def add(self, case, quantity, value, tolerance, detail=""):
        self.line(case, value <= tolerance, f"{quantity:<22} {value:9.2e} <= {tolerance:.2g}  {detail}")  # false for NaN

    def line(self, case, holds, text):
        for names, belongs in ((self.cases, True), (self.failed, not holds)):
            if belongs and case not in names:
                names.append(case)
        print(f"{'ok  ' if holds else 'FAIL'} {case:<30} {text}", flush=True)

    def guarded(self, case, body, *values):
        """One case that fails to run must not hide what the others say."""
        try:
            body(*values)
        except (RuntimeError, OSError, ValueError, KeyError, IndexError, AssertionError) as error:
            self.line(case, False, f"{type(error).__name__}: {error}")

    def finish(self):
        """The summary, and the exit status."""
        print(f"{len(self.cases) - len(self.failed)} of {len(self.cases)} cases hold"
              + "".join(f"\n  not: {name}" for name in self.failed))
        return 1 if self.failed else 0
