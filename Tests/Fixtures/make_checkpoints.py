"""A tiny Qwen2 model as transformers saves it (one file, and shards), and an adapter as PEFT saves it.

usage: make_checkpoints.py OUT_DIR        (made with torch 2.13.0, transformers 5.23.0, peft 0.21.2)
expected.json holds a few entries of each, so that reading is checked against torch and not against itself.
"""
import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

out = sys.argv[1]
torch.manual_seed(7)
config = Qwen2Config(
    vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=True,
    max_position_embeddings=256, bos_token_id=1, eos_token_id=[2, 3])
model = Qwen2ForCausalLM(config)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            parameter.add_(torch.randn_like(parameter) * 0.1)
model = model.to(torch.bfloat16)
model.save_pretrained(os.path.join(out, "base"))
model.save_pretrained(os.path.join(out, "sharded"), max_shard_size="20KB")

lora = LoraConfig(
    task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.05, use_rslora=True,
    target_modules=["q_proj", "v_proj", "down_proj"])
adapted = get_peft_model(Qwen2ForCausalLM.from_pretrained(os.path.join(out, "base")), lora)
with torch.no_grad():
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.normal_(0, 0.02)
adapted.peft_config["default"].base_model_name_or_path = "base"
adapted.save_pretrained(os.path.join(out, "adapter"))
os.remove(os.path.join(out, "adapter", "README.md"))
# The same with every linear layer, which PEFT writes as full paths.
every = get_peft_model(
    Qwen2ForCausalLM.from_pretrained(os.path.join(out, "base")),
    LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear"))
every.peft_config["default"].base_model_name_or_path = "base"
every.peft_config["default"].save_pretrained(os.path.join(out, "all-linear"))

state = adapted.state_dict()
expected = {
    "embedding": model.model.embed_tokens.weight.float().flatten()[:8].tolist(),
    "down": model.model.layers[1].mlp.down_proj.weight.float().flatten()[-8:].tolist(),
    "lora_B": state["base_model.model.model.layers.1.self_attn.v_proj.lora_B.default.weight"]
    .flatten()[-8:].tolist(),
}
with open(os.path.join(out, "expected.json"), "w") as file:
    json.dump(expected, file, indent=2)
