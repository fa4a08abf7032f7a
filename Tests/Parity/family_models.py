"""Checkpoints of every architecture that Shoal trains, in hub layout: random weights, the demo's tokenizer.

usage: family_models.py OUT [NAME …]        (without names: all but the large one; see requirements.txt)

Norm weights and biases are random too, so that one that is left out shows. config.json is what transformers writes;
`llama3-old-spelling` says the same as `llama3-untied` in the words of transformers 4, as most of the hub's files do.
"""
import argparse
import json
import logging
import os
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.utils.logging import disable_progress_bar

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "..", "demo", "model")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
VOCABULARY, END_OF_TEXT, END_OF_TURN = 2048, 2045, 2047
COMMON = dict(
    vocab_size=VOCABULARY, max_position_embeddings=2048, bos_token_id=END_OF_TEXT, eos_token_id=END_OF_TURN,
    rms_norm_eps=1e-6)
LARGE = "qwen3-0.6b"


def rope(theta, **scaling):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta, **scaling}}


# Short enough that scaled and unscaled frequencies differ within a sentence.
LLAMA3_ROPE = rope(
    500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=64)
QWEN2 = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
             use_sliding_window=False, **rope(1e6))
# Heads wider than hidden/heads, as in Qwen3-0.6B; one key/value head per three query heads.
QWEN3 = dict(hidden_size=64, intermediate_size=152, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
             head_dim=24, use_sliding_window=False, **rope(1e6))
LLAMA = dict(hidden_size=64, intermediate_size=168, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)

# Name: configuration class, its values, type on disk.
CHECKPOINTS = {
    "qwen2-tied": (Qwen2Config, dict(QWEN2, tie_word_embeddings=True), torch.bfloat16),
    "qwen2-untied": (Qwen2Config, dict(QWEN2, tie_word_embeddings=False), torch.float32),
    "qwen3-tied": (Qwen3Config, dict(QWEN3, tie_word_embeddings=True), torch.bfloat16),
    "qwen3-untied": (Qwen3Config, dict(QWEN3, tie_word_embeddings=False), torch.bfloat16),
    "llama3-untied": (LlamaConfig, dict(LLAMA, tie_word_embeddings=False, **LLAMA3_ROPE), torch.bfloat16),
    "llama3-old-spelling": (LlamaConfig, dict(LLAMA, tie_word_embeddings=False, **LLAMA3_ROPE), torch.bfloat16),
    # SmolLM2-135M at a quarter of its width: nine heads, three key/value heads.
    "llama-tied": (LlamaConfig, dict(
        hidden_size=144, intermediate_size=384, num_hidden_layers=3, num_attention_heads=9, num_key_value_heads=3,
        tie_word_embeddings=True, **rope(1e5)), torch.bfloat16),
    "llama-biases": (LlamaConfig, dict(
        LLAMA, tie_word_embeddings=False, attention_bias=True, mlp_bias=True, **rope(1e4)), torch.float16),
    # Heads narrower than hidden/heads, as in Mistral-Nemo.
    "mistral": (MistralConfig, dict(
        hidden_size=80, intermediate_size=176, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, sliding_window=None, tie_word_embeddings=False, **rope(1e6)), torch.bfloat16),
    LARGE: (Qwen3Config, dict(
        vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
        num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, use_sliding_window=False,
        tie_word_embeddings=True, **rope(1e6)), torch.bfloat16),
}
SMALL = [name for name in CHECKPOINTS if name != LARGE]


def randomize(model, embedding_scale=2.0):
    """Weights so wide that attention and log-probs are far from uniform."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.4)
            elif "norm" in name:
                parameter.normal_(1, 0.2)
            else:
                scale = embedding_scale if "embed" in name or "lm_head" in name else 1.2
                parameter.normal_(0, scale * parameter.shape[1] ** -0.5)


def spell_as_transformers_4(directory):
    """rope_theta, rope_scaling and torch_dtype, without rope_parameters and head_dim."""
    path = os.path.join(directory, "config.json")
    with open(path) as file:
        config = json.load(file)
    scaling = config.pop("rope_parameters")
    config["rope_theta"] = scaling.pop("rope_theta")
    config["rope_scaling"] = None if scaling["rope_type"] == "default" else scaling
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    config.pop("head_dim", None)
    config["transformers_version"] = "4.45.0"
    with open(path, "w") as file:
        json.dump(config, file, indent=2, sort_keys=True)


def write(out, name):
    """Writes the checkpoint `name` to the directory `out`."""
    configuration, values, dtype = CHECKPOINTS[name]
    seed = "llama3-untied" if name == "llama3-old-spelling" else name
    torch.manual_seed(sum(seed.encode()))
    # transformers makes the large one in its own type, to halve the memory.
    model = AutoModelForCausalLM.from_config(
        configuration(**{**COMMON, **values}), dtype=dtype if name == LARGE else torch.float32)
    randomize(model)
    model.to(dtype).save_pretrained(out)
    if name == "llama3-old-spelling":
        spell_as_transformers_4(out)
    for file in TOKENIZER_FILES:
        shutil.copy(os.path.join(TOKENIZER, file), out)


def quieten():
    logging.disable(logging.WARNING)
    disable_progress_bar()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CHECKPOINTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(CHECKPOINTS):
        parser.error(f"no such checkpoint: {', '.join(sorted(unknown))}")
    quieten()
    for name in arguments.names or SMALL:
        write(os.path.join(arguments.out, name), name)
        print(os.path.join(arguments.out, name))


if __name__ == "__main__":
    main()
