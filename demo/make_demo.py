"""Make the demo: a tokenizer, a small Qwen2 base model that writes careless summaries, and preference pairs that favour
faithful ones. Everything is generated from a seed. usage: make_demo.py [OUT_DIR]   (about a quarter of an hour on one core)"""
import json
import math
import os
import random
import sys
import time

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import Qwen2Config, Qwen2ForCausalLM

import reports

SEED = 2024
TRAIN_PAIRS, HELDOUT_PAIRS = 320, 96
FAITHFUL_SHARE = 0.25  # of the summaries the base model learns from
VOCABULARY = 2048
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SYSTEM = "You are a helpful assistant."
TEMPLATE = ("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
            "{{ '<|im_start|>system\n" + SYSTEM + "<|im_end|>\n' }}{% endif %}"
            "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
ROPE_THETA = 10000.0
SHAPE = dict(hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2)
BATCH, STEPS, PEAK_RATE, WARMUP = 24, 2500, 1e-3, 50
SUMMARISE, READ, REPEAT = "Summarise: ", "Read: ", "Repeat: "
LISTS_UNTIL, REPEAT_SHARE = 0.25, 0.1  # plain copying comes first, ever longer: reading grows from it


def write_json(path, value, indent=2):
  with open(path, "w", encoding="utf-8") as file:
    json.dump(value, file, ensure_ascii=False, indent=indent)
    file.write("\n")


# Data

def pairs(rng, count, used):
  """Preference pairs (record, fact table, kinds of error) over reports whose (domain, person, place) nobody used before."""
  made = []
  while len(made) < count:
    table = reports.facts(rng)
    key = (table["domain"], table["A"], table["P"])
    if key in used:
      continue
    used.add(key)
    chosen, _ = reports.summary(rng, table, faithful=True)
    rejected, kinds = reports.summary(rng, table, faithful=False)
    record = {"prompt": [{"role": "user", "content": SUMMARISE + reports.report(rng, table)}],
              "chosen": [{"role": "assistant", "content": chosen}],
              "rejected": [{"role": "assistant", "content": rejected}]}
    made.append((record, table, sorted(kinds)))
  return made


def preference_data(rng):
  """Held-out and training pairs, and the keys of their reports."""
  used = set()
  return pairs(rng, HELDOUT_PAIRS, used), pairs(rng, TRAIN_PAIRS, used), used


def conversation(rng, used, progress=1.0):
  """One training text for the base: a list to repeat, or a report that is in no preference pair. Its questions are always
  answered right, three in four of its summaries mix facts up: the base can read, but does not care to be faithful."""
  longest = 4 + round(20 * min(1, progress / LISTS_UNTIL) ** 2)
  if progress < LISTS_UNTIL or rng.random() < REPEAT_SHARE:
    words = " ".join(rng.choice(reports.WORDS) for _ in range(rng.randint(1, longest)))
    return [REPEAT + words + ".", f"The list is {words}."]
  while True:
    table = reports.facts(rng)
    if (table["domain"], table["A"], table["P"]) not in used:
      break
  if rng.random() < 0.4:
    text = reports.report(rng, table)
    written, _ = reports.summary(rng, table, faithful=rng.random() < FAITHFUL_SHARE)
    return [SUMMARISE + text, written]
  text = reports.report(rng, table, rng.choice([None, 1, 2, 3]))
  turns = [turn for pair in reports.questions(rng, table, text, 4) for turn in pair]
  return [READ + text + "\n" + turns[0], *turns[1:]] if turns else [READ + text]


# Tokenizer

def train_tokenizer(out, texts):
  tokenizer = Tokenizer(models.BPE())
  tokenizer.normalizer = normalizers.NFC()
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
  tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
  tokenizer.decoder = decoders.ByteLevel()
  tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
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


def encode(tokenizer, turns):
  """Ids of a conversation in the chat template, and a weight per token: what the assistant says counts most."""
  text = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
  ids = tokenizer.encode(text).ids
  weights = [0.0] * len(ids)
  for index, content in enumerate(turns):
    header = tokenizer.encode(f"<|im_start|>{'assistant' if index % 2 else 'user'}\n").ids
    body = tokenizer.encode(f"{content}<|im_end|>\n").ids
    ids += header + body
    weights += [0.0] * len(header) + [1.0 if index % 2 else 0.05] * len(body)
  return ids, weights


# Model

def look_back(model):
  """Start three heads of the first layer at looking one, two and three tokens back, by their biases alone: the first half of
  a copying circuit, which a model of this size takes long to find. They are trained like everything else."""
  attention, width = model.model.layers[0].self_attn, SHAPE["hidden_size"] // SHAPE["num_attention_heads"]
  angles = ROPE_THETA ** (-torch.arange(width // 2) * 2 / width)
  strength = 5.7 * (torch.arange(width // 2) < width // 4)
  with torch.no_grad():
    attention.k_proj.bias[:width] = torch.cat([strength, 0 * strength])
    for head in range(SHAPE["num_attention_heads"] // SHAPE["num_key_value_heads"]):
      turned = (head + 1) * angles
      attention.q_proj.bias[head * width:(head + 1) * width] = torch.cat([strength * turned.cos(), -strength * turned.sin()])


def train_model(tokenizer, rng, used):
  torch.manual_seed(SEED)
  model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=VOCABULARY, max_position_embeddings=2048, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_theta=ROPE_THETA,
    initializer_range=0.1,  # large for the width: copying appears within a few hundred steps, with 0.02 in none of the 700 tried
    bos_token_id=None, eos_token_id=VOCABULARY - 1, pad_token_id=VOCABULARY - 3, **SHAPE))
  look_back(model)
  model.set_attn_implementation("eager")  # the quickest of torch's at this size on a CPU
  decayed = [p for p in model.parameters() if p.dim() > 1]
  plain = [p for p in model.parameters() if p.dim() == 1]
  optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                lr=PEAK_RATE, betas=(0.9, 0.98))
  begun, seen, pool = time.time(), 0, []
  running = {}
  for step in range(STEPS):
    rate = PEAK_RATE * min((step + 1) / WARMUP, 2.5 * (1 - step / STEPS) + 0.01, 1)
    for group in optimizer.param_groups:
      group["lr"] = rate
    if not pool:  # batches of like length
      texts = sorted(([*encode(tokenizer, turns), turns[0][:4]] for turns in (conversation(rng, used, step / STEPS) for _ in range(4 * BATCH))),
                     key=lambda text: len(text[0]))
      pool = [texts[at:at + BATCH] for at in range(0, len(texts), BATCH)]
      rng.shuffle(pool)
    batch = pool.pop()
    width = max(len(ids) for ids, _, _ in batch)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _, _ in batch])
    weights = torch.tensor([w + [0.0] * (width - len(w)) for _, w, _ in batch])[:, 1:]
    with torch.autocast("cpu", torch.bfloat16):
      logits = model.lm_head(model.model(input_ids=ids).last_hidden_state[:, :-1][weights > 0])
    each = torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][weights > 0], reduction="none")
    ((each * weights[weights > 0]).sum() / weights.sum()).backward()
    losses = torch.zeros_like(weights)
    losses[weights > 0] = each.detach()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    seen += sum(len(text[0]) for text in batch)
    spoken = (weights == 1).float()
    for kind in ("Summ", "Read", "Repe"):
      rows = [i for i, item in enumerate(batch) if item[2] == kind]
      if rows:
        running.setdefault(kind, []).append(((losses * spoken)[rows].sum() / spoken[rows].sum().clamp(min=1)).item())
    running.setdefault("all", []).append(losses[weights > 0].mean().item())
    if (step + 1) % 100 == 0:
      shown = " ".join(f"{name} {sum(v) / len(v):.3f}" for name, v in sorted(running.items()))
      print(f"step {step + 1} tokens {seen} seconds {time.time() - begun:.0f} nats/token: {shown}", flush=True)
      running = {}
  return model


def save_model(out, model):
  weights = {name: value.detach().to(torch.bfloat16).contiguous() for name, value in model.state_dict().items()
             if name != "lm_head.weight"}  # tied to the embedding
  save_file(weights, f"{out}/model.safetensors", metadata={"format": "pt"})
  os.chmod(f"{out}/model.safetensors", 0o644)
  write_json(f"{out}/config.json", {
    "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": VOCABULARY - 3,
    "eos_token_id": VOCABULARY - 1, "hidden_act": "silu", "hidden_size": SHAPE["hidden_size"], "initializer_range": 0.02,
    "intermediate_size": SHAPE["intermediate_size"], "max_position_embeddings": 2048,
    "max_window_layers": SHAPE["num_hidden_layers"], "model_type": "qwen2",
    "num_attention_heads": SHAPE["num_attention_heads"], "num_hidden_layers": SHAPE["num_hidden_layers"],
    "num_key_value_heads": SHAPE["num_key_value_heads"], "rms_norm_eps": 1e-06, "rope_theta": ROPE_THETA,
    "sliding_window": 2048, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
    "use_sliding_window": False, "vocab_size": VOCABULARY})
  write_json(f"{out}/generation_config.json", {
    "bos_token_id": VOCABULARY - 3, "do_sample": False, "eos_token_id": [VOCABULARY - 1, VOCABULARY - 3],
    "pad_token_id": VOCABULARY - 3})


def main():
  out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
  os.makedirs(f"{out}/model", exist_ok=True)
  torch.set_num_threads(1)
  rng = random.Random(SEED)
  heldout, train, used = preference_data(rng)
  for name, part in (("heldout", heldout), ("preferences", train)):
    with open(f"{out}/{name}.jsonl", "w", encoding="utf-8") as file:
      for record, _, _ in part:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
  with open(f"{out}/facts.txt", "w", encoding="utf-8") as file:
    facts = set(reports.FIRST + reports.LAST + reports.PLACES + reports.NUMBERS + reports.MONTHS)
    file.write("\n".join(sorted(facts)) + "\n")
  texts = ["\n".join(conversation(rng, used)) for _ in range(8000)]
  tokenizer = train_tokenizer(f"{out}/model", [SYSTEM, "system", "user", "assistant", " ".join(reports.COMMON), *texts])
  model = train_model(tokenizer, rng, used)
  save_model(f"{out}/model", model)
  print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
  main()
