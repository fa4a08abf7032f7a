"""transformers and PEFT load what full fine-tuning wrote, and compute with it what `shoal score` does.

usage: full_loads.py --shoal BINARY [--work DIR] [--only NAME …]

For every architecture: three steps of SFT, the weights written in bf16, the default. The run directory must be a whole
hub directory: its configuration says what the base's does, its tensors are those of the base in their shapes, moved,
and in bf16; generation_config.json and the tokenizer are there and load; log-probs by transformers in float32 equal
Shoal's. The checkpoint must load too, in float32, and rounded be the run directory. `saved-modules`: PEFT loads a LoRA
adapter with lora_modules_to_save on the base, every tensor is used, and log-probs equal Shoal's; `saved-modules-tied`
the same over tied embeddings, if Shoal trains that.
"""
import argparse
import json
import os
import sys
import tempfile

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import family_models
import materials
from full_parity import RANK, ALPHA, hub_name, weights, write_entries
from torch_side import Shoal, Table, Texts, compare_scores, load, write_lines

LOG_PROB, STEPS = 1e-3, 3
# What may differ: transformers' version, and how the type of the weights is spelt.
UNCOMPARED = {"transformers_version", "dtype", "torch_dtype", "_name_or_path"}
SAVED = ("saved-modules", "saved-modules-tied")


def train(shoal, work, name, base, **settings):
    out = os.path.join(work, f"run-{name}")
    shoal.run("train", write_entries(os.path.join(work, f"{name}.yaml"), {
        "base_model": base, "datasets": [{"path": os.path.join(work, "sft.jsonl"), "ds_type": "json"}],
        "sequence_len": 1024, "micro_batch_size": 2, "max_steps": STEPS, "save_steps": STEPS, "learning_rate": 3e-3,
        "lr_scheduler": "constant", "output_dir": out, **settings}), "--resume", "never", "--overwrite")
    return out


def compare_configuration(table, name, base, out):
    before, after = (AutoConfig.from_pretrained(directory).to_dict() for directory in (base, out))
    keys = [key for key in before.keys() | after.keys() if key not in UNCOMPARED and before.get(key) != after.get(key)]
    with open(os.path.join(out, "config.json")) as file:
        config = json.load(file)
    dtype = config.get("dtype") or config.get("torch_dtype")
    table.line(name, not keys and dtype == "bfloat16", f"configuration: {dtype}, {keys or 'else as the base'}")
    generation = [GenerationConfig.from_pretrained(directory).to_dict() for directory in (base, out)]
    keys = [key for key in generation[0] if key not in UNCOMPARED and generation[0][key] != generation[1].get(key)]
    table.line(name, os.path.exists(os.path.join(out, "generation_config.json")) and not keys,
               f"generation_config.json{f': {keys}' if keys else ''}")
    tokenizers = [AutoTokenizer.from_pretrained(directory) for directory in (base, out)]
    chat = [{"role": "user", "content": "Why do shoals turn?"}]
    same = [t.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=True)["input_ids"]
            for t in tokenizers]
    table.line(name, same[0] == same[1], f"tokenizer: {len(same[1])} ids of a chat")


def compare_weights(table, name, base, out):
    before, after = weights(base), weights(out)
    problems = sorted(before.keys() ^ after.keys()) or [
        key for key in before if after[key].shape != before[key].shape or after[key].dtype != torch.bfloat16
        or torch.equal(after[key].float(), before[key].float())]
    table.line(name, not problems, f"{len(after)} tensors in bf16, all moved{f': not {problems[:3]}' if problems else ''}")
    checkpoint = weights(os.path.join(out, f"checkpoint-{STEPS}"))
    problems = sorted(checkpoint.keys() ^ after.keys()) or [
        key for key in after if checkpoint[key].dtype != torch.float32
        or not torch.equal(checkpoint[key].to(torch.bfloat16), after[key])]
    table.line(name, not problems, f"the checkpoint's in float32, the same rounded{f': not {problems[:3]}' if problems else ''}")


def loaded(table, name, directory):
    """The model, and that transformers missed nothing."""
    model, notes = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="sdpa", output_loading_info=True)
    problems = {key: sorted(value)[:3] for key, value in notes.items() if value}
    table.line(name, not problems, f"transformers loads {os.path.basename(directory)}{f': {problems}' if problems else ''}")
    return model.eval()


def compare_run(table, shoal, work, name, pairs):
    base, data = os.path.join(work, name), os.path.join(work, "pairs.jsonl")
    family_models.write(base, name)
    out = train(shoal, work, name, base)
    compare_configuration(table, name, base, out)
    compare_weights(table, name, base, out)
    lines = shoal.score(out, data, os.path.join(work, f"{name}.jsonl"))
    compare_scores(table, name, lines, pairs, loaded(table, name, out), LOG_PROB)
    loaded(table, name, os.path.join(out, f"checkpoint-{STEPS}"))


def compare_adapter(table, shoal, work, name, pairs):
    model_name = "qwen3-tied" if name.endswith("tied") else "qwen2-untied"
    saved = ["embed_tokens"] if name.endswith("tied") else ["embed_tokens", "lm_head"]
    base, data = os.path.join(work, f"base-{name}"), os.path.join(work, "pairs.jsonl")
    family_models.write(base, model_name)
    out = train(
        shoal, work, name, base, adapter="lora", lora_r=RANK, lora_alpha=ALPHA,
        lora_target_modules=materials.ALL_LINEARS, lora_modules_to_save=saved)
    with open(os.path.join(out, "adapter_config.json")) as file:
        found = json.load(file)["modules_to_save"]
    table.line(name, sorted(found or []) == saved, f"adapter_config.json: modules_to_save {found}")
    tensors = load_file(os.path.join(out, "adapter_model.safetensors"))
    model = PeftModel.from_pretrained(load(base), out).eval()
    held = {hub_name(key): p for key, p in model.named_parameters() if ".default." in key}
    problems = sorted(held.keys() ^ tensors.keys()) or [
        key for key in held if not torch.equal(held[key], tensors[key].float())]
    table.line(name, not problems, f"PEFT loads {len(tensors)} tensors{f': not {problems[:3]}' if problems else ''}")
    original = dict(load(base).named_parameters())
    for module in saved:
        key = next(key for key in tensors if key.endswith(f"{module}.weight"))
        moved = not torch.equal(tensors[key].float(), original[key.removeprefix("base_model.model.")])
        table.line(name, moved, f"{module} has moved")
    lines = shoal.score(base, data, os.path.join(work, f"{name}.jsonl"), out)
    compare_scores(table, name, lines, pairs, model, LOG_PROB)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shoal", required=True, metavar="BINARY")
    parser.add_argument("--work", help="where runs stay; default: a temporary directory")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*family_models.SMALL, *SAVED])
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    family_models.quieten()
    torch.set_num_threads(arguments.threads)
    table, texts = Table(), Texts(seed=21)
    pairs = [texts.pair() for _ in range(6)] + [texts.pair(prompt=(100, 200)) for _ in range(2)]
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(arguments.work or scratch)
        os.makedirs(work, exist_ok=True)
        write_lines(os.path.join(work, "pairs.jsonl"), pairs)
        write_lines(os.path.join(work, "sft.jsonl"),
                    [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs])
        shoal = Shoal(arguments.shoal, os.path.join(work, "cache"), arguments.threads)
        for name in arguments.only or [*family_models.SMALL, *SAVED]:
            body = compare_adapter if name in SAVED else compare_run
            table.guarded(name, body, table, shoal, work, name, pairs)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
