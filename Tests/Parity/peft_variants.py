"""Reads 35 adapters that PEFT made with the built program, and compares with PEFT: scores, merged weights, training on.

usage: peft_variants.py SHOAL WORKDIR          (see ../Fixtures/requirements.txt)

The variants are those of ../Fixtures/peft_adapters.py. A line for each; ends with 1 if one does not hold.
"""
import json
import os
import shutil
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures"))

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import peft_adapters

BASE = peft_adapters.BASE
RECORDS = [
    {"prompt": f"The {word} turns", "chosen": f" together, {word} by moon.", "rejected": " nobody leads"}
    for word in ("shoal", "river", "tide", "net", "wind")]
# Per token, from PEFT in fp64. PEFT in fp32 is as far from it: 0.5e-6 to 1.7e-6 on this model.
TOLERANCE = 2e-6


def log_probs(model, tokenizer):
    """The mean log-prob per token of each completion."""
    found = []
    with torch.no_grad():
        for record in RECORDS:
            prompt = tokenizer(record["prompt"]).input_ids
            for name in ("chosen", "rejected"):
                ids = tokenizer(record["prompt"] + record[name]).input_ids + [tokenizer.eos_token_id]
                rows = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
                found.append(sum(rows[i - 1, ids[i]].item() for i in range(len(prompt), len(ids))) / (len(ids) - len(prompt)))
    return found


def main():
    program, work = sys.argv[1:3]
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    data = os.path.join(work, "data.jsonl")
    with open(data, "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in RECORDS)

    def shoal(*arguments):
        return subprocess.run([program, *arguments], capture_output=True, text=True)

    def scores(name, *arguments):
        out = os.path.join(work, f"{name}.jsonl")
        ended = shoal("score", "--data", data, "--out", out, *arguments)
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip())
        lines = [json.loads(line) for line in open(out)]
        return [line[c]["logp"] / line[c]["tokens"] for line in lines for c in ("chosen", "rejected")]

    def distance(some, others):
        return max(abs(a - b) for a, b in zip(some, others, strict=True))

    bad = 0
    for name, variant in peft_adapters.READ.items():
        original = os.path.join(work, name)
        directory = peft_adapters.make(original, variant)

        # PEFT itself reads the files under its own names only.
        def peft(path, dtype):
            return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE, dtype=dtype), path).eval()

        expected = log_probs(peft(original, torch.float64), tokenizer)
        merged = os.path.join(work, name + "-merged")
        run = os.path.join(work, name + "-run")
        try:
            found = distance(scores(name, "--model", BASE, "--adapter", directory), expected)
            shoal("export", "--model", BASE, "--adapter", directory, "--format", "merged", "--dtype", "f32", "--out", merged)
            theirs = log_probs(peft(original, torch.float32).merge_and_unload(), tokenizer)
            ours = log_probs(AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32), tokenizer)
            merging = distance(ours, theirs)
            config = os.path.join(work, name + ".yaml")
            with open(config, "w") as file:
                json.dump({
                    "base_model": BASE, "adapter": "lora", "rl": "dpo", "lora_model_dir": directory, "datasets": [{"path": data}],
                    "learning_rate": 1e-3, "batch_size": 2, "max_steps": 2, "output_dir": run}, file)
            ended = shoal("train", config)
            if ended.returncode:
                raise RuntimeError(ended.stderr.strip())
            trained = log_probs(peft(run, torch.float64), tokenizer)
            training = distance(scores(name + "-trained", "--model", BASE, "--adapter", run), trained)
            moved = distance(trained, expected)
            holds = max(found, training) <= TOLERANCE and merging == 0 and moved > 1e-4
            print(f"{'ok  ' if holds else 'FAIL'} {name:<26} score {found:.1e}  merged {merging:.1e}  trained on {training:.1e}")
        except RuntimeError as error:
            holds = False
            print(f"FAIL {name:<26} {error}")
        bad += not holds
    for name, (variant, reason) in peft_adapters.REFUSED.items():
        directory = peft_adapters.make(os.path.join(work, name), variant)
        ended = shoal("score", "--model", BASE, "--adapter", directory, "--data", data, "--out", os.path.join(work, "x"))
        holds = ended.returncode == 64 and reason in ended.stderr
        bad += not holds
        print(f"{'ok  ' if holds else 'FAIL'} {name:<26} refused: {ended.stderr.strip().splitlines()[-1][:150]}")
    print(f"{bad} of {len(peft_adapters.READ) + len(peft_adapters.REFUSED)} do not hold")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
