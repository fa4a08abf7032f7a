"""Make the demo's files but for its base model: the tokenizer, preference pairs that favour faithful summaries, and the facts that
demo/run.sh counts. Everything is generated from a seed. usage: make_demo.py [OUT_DIR]   (`make demo-model` makes the model)"""
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import reports
import texts

VOCABULARY = 2048
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SYSTEM = "You are a helpful assistant."
TEMPLATE = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
            "{{ '<|im_start|>system\n" + SYSTEM + "<|im_end|>\n' }}{% endif %}"
            "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def write_json(path, value, indent=2):
  with open(path, "w", encoding="utf-8") as file:
    json.dump(value, file, ensure_ascii=False, indent=indent)
    file.write("\n")


def train_tokenizer(out, read):
  tokenizer = Tokenizer(models.BPE())
  tokenizer.normalizer = normalizers.NFC()
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
  tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
  tokenizer.decoder = decoders.ByteLevel()
  tokenizer.train_from_iterator(read, trainers.BpeTrainer(
    vocab_size=VOCABULARY - len(SPECIALS), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
  assert tokenizer.get_vocab_size() == VOCABULARY - len(SPECIALS), tokenizer.get_vocab_size()
  tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
  layout = json.loads(tokenizer.to_str())
  vocabulary, merges = layout["model"]["vocab"], [" ".join(m) for m in layout["model"]["merges"]]
  layout["model"]["merges"] = merges  # the spelling of Qwen2's own file
  layout["decoder"] = layout["post_processor"]  # likewise
  for name in ("continuing_subword_prefix", "end_of_word_suffix"):
    layout["model"][name] = ""
  write_json(f"{out}/tokenizer.json", layout, indent=None)
  write_json(f"{out}/vocab.json", vocabulary, indent=None)
  with open(f"{out}/merges.txt", "w", encoding="utf-8") as file:
    file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
  fields = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
  write_json(f"{out}/tokenizer_config.json", {
    "add_prefix_space": False,
    "added_tokens_decoder": {str(t["id"]): {f: t[f] for f in fields} for t in layout["added_tokens"]},
    "additional_special_tokens": SPECIALS[1:], "bos_token": None, "chat_template": TEMPLATE,
    "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 2048,
    "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})
  return tokenizer


def main():
  out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
  os.makedirs(f"{out}/model", exist_ok=True)
  rng = random.Random(texts.SEED)
  heldout, train, used = texts.preference_data(rng)
  for name, part in (("heldout", heldout), ("preferences", train)):
    with open(f"{out}/{name}.jsonl", "w", encoding="utf-8") as file:
      for record, _, _ in part:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
  with open(f"{out}/facts.txt", "w", encoding="utf-8") as file:
    facts = set(reports.FIRST + reports.LAST + reports.PLACES + reports.NUMBERS + reports.MONTHS)
    file.write("\n".join(sorted(facts)) + "\n")
  # The share of the base model that this tokenizer was first made for.
  read = ["\n".join(texts.conversation(rng, used, faithful_share=0.25)) for _ in range(8000)]
  train_tokenizer(f"{out}/model", [SYSTEM, "system", "user", "assistant", " ".join(reports.COMMON), *read])


if __name__ == "__main__":
  main()
