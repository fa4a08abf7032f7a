"""PEFT loads an adapter that Shoal wrote, strictly, and it computes what its matrices say.

usage: adapter_loads.py BASE_DIR ADAPTER_DIR

BASE_DIR: the hub directory the adapter belongs to (transformers loads it in fp32).
Checks: every key of the file is used and none is missing; saving again gives the same tensors; the logits with
the adapter equal those of the base with W + scaling * B A put in by hand. Prints one line, exits 1 on failure.
"""
import json
import os
import re
import sys
import tempfile

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

base_path, adapter_path = sys.argv[1:3]
tensors = load_file(os.path.join(adapter_path, "adapter_model.safetensors"))
config = json.load(open(os.path.join(adapter_path, "adapter_config.json")))


def base():
    return AutoModelForCausalLM.from_pretrained(base_path, dtype=torch.float32).eval()


model = PeftModel.from_pretrained(base(), adapter_path).eval()
loaded = {name.replace(".default", ""): p for name, p in model.named_parameters() if "lora_" in name}
assert loaded.keys() == tensors.keys(), sorted(loaded.keys() ^ tensors.keys())
for name, parameter in loaded.items():
    assert torch.equal(parameter, tensors[name].float()), name

with tempfile.TemporaryDirectory() as directory:
    model.save_pretrained(directory)
    again = load_file(os.path.join(directory, "adapter_model.safetensors"))
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name].float()) for name in tensors)

merged = base()
scaling = config["lora_alpha"] / (config["r"] ** 0.5 if config["use_rslora"] else config["r"])
weights = dict(merged.named_parameters())
with torch.no_grad():
    for name, a in tensors.items():
        if ".lora_A." in name:
            b = tensors[name.replace(".lora_A.", ".lora_B.")]
            key = re.sub(r"^base_model\.model\.(.*)\.lora_A\.weight$", r"\1.weight", name)
            weights[key].add_(scaling * (b.float() @ a.float()))
    ids = torch.arange(2, 26).unsqueeze(0)
    ours, theirs = merged(ids).logits, model(ids).logits
    changed = (theirs - base()(ids).logits).abs().max().item()
difference = (ours - theirs).abs().max().item()
assert difference <= 1e-4 * max(1.0, theirs.abs().max().item()), difference
print(f"{len(tensors)} tensors loaded; logits move by {changed:.3g}, differ by {difference:.3g}")
