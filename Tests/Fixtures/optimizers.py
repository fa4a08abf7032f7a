"""Writes optimizers.json: steps of bitsandbytes' Lion, and the parameter groups of PEFT's LoRA+.

Pinned: bitsandbytes 0.50.2, peft 0.21.2, transformers 5.23.0, torch 2.13.0.
Run: python Tests/Fixtures/optimizers.py
"""

import json
import pathlib

import bitsandbytes
import peft
import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from transformers import AutoModelForCausalLM

assert peft.__version__ == "0.21.2" and bitsandbytes.__version__ == "0.50.2"
HERE = pathlib.Path(__file__).parent


def lion():
    """Six steps on 40 numbers; some gradients are 0, one entry's always, and the rate changes."""
    torch.manual_seed(7)
    weights = torch.nn.Parameter(torch.randn(40))
    case = {"beta1": 0.9, "beta2": 0.95, "weightDecay": 0.125, "start": weights.tolist(), "steps": []}
    optimizer = bitsandbytes.optim.Lion(
        [weights], lr=1.0, betas=(case["beta1"], case["beta2"]), weight_decay=case["weightDecay"])
    for rate in (0.03125, 0.02, 0.02, 0.0, 0.01, 0.003):
        gradient = torch.randn(40) * (torch.rand(40) > 0.2)
        gradient[3] = 0
        weights.grad = gradient.clone()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        case["steps"].append({
            "learningRate": rate, "gradient": gradient.tolist(), "weights": weights.tolist(),
            "momentum": optimizer.state[weights]["state1"].tolist()})
    return case


def lora_plus(adapter, **settings):
    model = AutoModelForCausalLM.from_pretrained(HERE / "tiny/model")
    model = PeftModel.from_pretrained(model, HERE / "tiny" / adapter, is_trainable=True)
    names = {id(parameter): name.replace(".default.", ".") for name, parameter in model.named_parameters()}
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=5e-5, **settings)
    groups = [
        {"learningRate": group["lr"], "weightDecay": group["weight_decay"],
         "names": [names[id(parameter)] for parameter in group["params"]]}
        for group in optimizer.param_groups]
    return {
        "adapter": adapter, "learningRate": 5e-5, "ratio": settings["loraplus_lr_ratio"],
        "weightDecay": settings.get("loraplus_weight_decay"), "groups": groups}


document = {
    "lion": lion(),
    # A plain weight_decay is not used for any group.
    "loraPlus": [
        lora_plus("adapter", loraplus_lr_ratio=16.0, weight_decay=0.5),
        lora_plus("adapter-qv", loraplus_lr_ratio=3.0, loraplus_weight_decay=0.01),
    ],
}
(HERE / "optimizers.json").write_text(json.dumps(document, indent=None) + "\n")
