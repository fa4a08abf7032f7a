"""Tiny checkpoints of every architecture, with log-probs and gradients of all parameters by transformers in float64.

usage: families.py [OUT]          (OUT defaults to families/ beside this file; see requirements.txt)

As in tiny_model.py everything is random but seeded, shapes avoid multiples of 16, each completion is a sequence of its
own, and transformers' norms and rotary angles, which it computes in float32, are replaced by float64 ones. The layout
is that of tiny/, without adapters, so that the tests' TinyFixture reads it.

  OUT/NAME                   hub layout: float32 weights; norms and biases random
  OUT/cases.json             of each case: the model's directory, token ids, sums of log-probs, the coefficients of
                             the gradient, and how far plain float32 is from float64
  OUT/reference.safetensors  float32 roundings of float64:
    NAME/logp/base/T/C       per-token log-probs of tree T, completion C [tokens]
    NAME/gradient/PARAMETER  of Σ coefficient · log-prob of completion over all trees, under the hub's names
"""
import contextlib
import importlib
import json
import logging
import os
import shutil
import sys
from math import pi

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.utils.logging import disable_progress_bar

import tiny_model

# Scaled and unscaled frequencies part within a few tokens.
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32}


def shape(vocabulary, hidden, intermediate, heads, kv_heads, tied, rope=1e4, **more):
    rope = rope if isinstance(rope, dict) else {"rope_type": "default", "rope_theta": rope}
    return dict(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=2,
        num_attention_heads=heads, num_key_value_heads=kv_heads, tie_word_embeddings=tied, rope_parameters=rope,
        max_position_embeddings=512, bos_token_id=0, eos_token_id=1, **more)


# Name: configuration, seed, whether gradients are kept.
CASES = {
    "qwen2-tied": (Qwen2Config(**shape(97, 24, 36, 4, 2, True, 1e6, use_sliding_window=False, rms_norm_eps=1e-6)), 1, True),
    "qwen2-untied": (
        Qwen2Config(**shape(103, 20, 36, 2, 1, False, 1e6, use_sliding_window=False, rms_norm_eps=1e-6)), 2, True),
    # Heads wider than hidden/heads.
    "qwen3": (Qwen3Config(**shape(101, 20, 36, 4, 2, True, 1e6, head_dim=10, rms_norm_eps=1e-6)), 3, True),
    "llama3": (LlamaConfig(**shape(101, 24, 36, 3, 1, False, LLAMA3_ROPE, rms_norm_eps=1e-5)), 4, True),
    "llama-biases": (
        LlamaConfig(**shape(99, 20, 36, 2, 1, False, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5)), 5, True),
    # Heads narrower than hidden/heads.
    "mistral": (
        MistralConfig(**shape(99, 20, 36, 4, 2, False, 1e6, head_dim=4, sliding_window=None, rms_norm_eps=1e-5)), 6, False),
}
TREES = ((5, (3, 8)), (1, (1, 7)), (17, (19, 2)), (70, (4,)), (3, (1, 2, 21)))


def coefficients(trees):
    """Of completion i of tree t, as in TreeTests.swift."""
    return [[0.3 * i - 0.2 + 0.05 * t for i in range(len(tree["completions"]))] for t, tree in enumerate(trees)]


# --- transformers in float64 ----------------------------------------------------------------------

def frequencies(config):
    rope, width = config.rope_parameters, getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    found = rope["rope_theta"] ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)
    if rope["rope_type"] == "default":
        return found
    turns = rope["original_max_position_embeddings"] * found / (2 * pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return found * (kept + (1 - kept) / rope["factor"])


def rotary(self, x, position_ids):
    angles = position_ids[..., None].double() * frequencies(self.config)
    torch.testing.assert_close(self.inv_freq.double(), frequencies(self.config), rtol=1e-5, atol=0)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


@contextlib.contextmanager
def float64_throughout(family):
    module = importlib.import_module(f"transformers.models.{family}.modeling_{family}")
    name = family.capitalize()
    norm, angles = getattr(module, f"{name}RMSNorm"), getattr(module, f"{name}RotaryEmbedding")
    before = norm.forward, angles.forward
    norm.forward, angles.forward = tiny_model.rms_norm, rotary
    try:
        yield
    finally:
        norm.forward, angles.forward = before


def measure(directory, trees, dtype):
    """Per-token log-probs of every completion, the gradient of every parameter."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype, attn_implementation="sdpa")
    logps, total = {}, 0
    for t, (tree, factors) in enumerate(zip(trees, coefficients(trees))):
        for c, (completion, factor) in enumerate(zip(tree["completions"], factors)):
            found, _ = tiny_model.token_logps(model, tree["prompt"], completion)
            logps[f"logp/base/{t}/{c}"] = found.detach()
            total = total + factor * found.double().sum()
    total.backward()
    return logps, {f"gradient/{name}": p.grad for name, p in model.named_parameters()}


# --- files ----------------------------------------------------------------------------------------

def write_checkpoint(directory, config, seed):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.4)
            elif "norm" in name:
                parameter.normal_(1, 0.2)
            else:
                parameter.normal_(0, 0.4 if "embed" in name or "lm_head" in name else 1.2 / parameter.shape[1] ** 0.5)
    model.save_pretrained(directory)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "families")
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    disable_progress_bar()
    shutil.rmtree(out, ignore_errors=True)
    cases, written = {}, {}
    for name, (config, seed, keeps_gradients) in CASES.items():
        directory = os.path.join(out, name)
        write_checkpoint(directory, config, seed)
        generator = torch.Generator().manual_seed(seed)
        trees = [tiny_model.random_tree(generator, config.vocab_size, p, cs) for p, cs in TREES]
        trees[0]["completions"][0][:2] = [0, config.vocab_size - 1]  # the vocabulary's ends, as targets
        with float64_throughout(config.model_type):
            logps, gradients = measure(directory, trees, torch.float64)
        logps32, gradients32 = measure(directory, trees, torch.float32)
        everything = torch.stack([g.norm() for g in gradients.values()]).norm()
        distances = {
            "logp_per_token": max((logps32[n].double() - l).abs().max().item() for n, l in logps.items()),
            "gradient_of_parameter": max(tiny_model.distance(gradients32[n], g) for n, g in gradients.items()),
            "gradient": (torch.stack([(gradients32[n].double() - g).norm() for n, g in gradients.items()]).norm()
                         / everything).item()}
        print(name, "float32 from float64:", {k: f"{v:.1e}" for k, v in distances.items()})
        for t, (tree, factors) in enumerate(zip(trees, coefficients(trees))):
            tree["base_logps"] = [logps[f"logp/base/{t}/{c}"].sum().item() for c in range(len(factors))]
            tree["coefficients"] = factors
        cases[name] = {"model": name, "adapter": None, "trees": trees, "gradient_norm": everything.item(),
                       "has_gradient": keeps_gradients, "float32_distance": distances}
        kept = {**logps, **(gradients if keeps_gradients else {})}
        written.update({f"{name}/{key}": tensor.float().contiguous() for key, tensor in kept.items()})
    save_file(written, os.path.join(out, "reference.safetensors"))
    with open(os.path.join(out, "cases.json"), "w") as file:
        json.dump({"cases": cases}, file)
    for directory, _, files in os.walk(out):
        for file in files:
            os.chmod(os.path.join(directory, file), 0o644)  # safetensors creates private files


if __name__ == "__main__":
    main()
