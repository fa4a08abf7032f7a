"""Check the demo's claims with PEFT: what the base prefers, what DPO makes of it, and that length does not explain it.
usage: verify_demo.py [--seeds 0 1 2] [--rate 2e-3] [--epochs 3] [--directory DIR]"""
import argparse
import json
import math
import os
import random
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

import texts
import reports

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def read(path):
  with open(path, encoding="utf-8") as file:
    return [json.loads(line) for line in file]


def tokens(tokenizer, record):
  """(ids, prompt length) of the chosen and of the rejected conversation, as TRL's DPOTrainer tokenises them."""
  prompt = tokenizer.apply_chat_template(record["prompt"], add_generation_prompt=True, tokenize=True, return_dict=False)
  made = []
  for name in ("chosen", "rejected"):
    ids = tokenizer.apply_chat_template(record["prompt"] + record[name], tokenize=True, return_dict=False)
    assert ids[:len(prompt)] == prompt
    made.append((ids, len(prompt)))
  return made


def log_probs(model, sequences):
  """Sum and mean over the completion of each sequence, nats."""
  width = max(len(ids) for ids, _ in sequences)
  ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in sequences])
  mask = torch.tensor([[start <= i < len(ids) for i in range(1, width)] for ids, start in sequences])
  first = min(start for _, start in sequences) - 1
  logits = model(input_ids=ids, logits_to_keep=width - first).logits[:, :-1]
  each = torch.log_softmax(logits.float(), -1).gather(2, ids[:, first + 1:, None])[:, :, 0] * mask[:, first:]
  return each.sum(1), each.sum(1) / mask.sum(1)


def evaluate(model, data):
  """Rows of [chosen sum, rejected sum, chosen mean, rejected mean]."""
  rows = []
  with torch.no_grad():
    for at in range(0, len(data), 16):
      part = data[at:at + 16]
      sums, means = log_probs(model, [s for pair in part for s in pair])
      rows.append(torch.stack([sums[0::2], sums[1::2], means[0::2], means[1::2]], 1))
  return torch.cat(rows)


def share(condition):
  return round(condition.float().mean().item(), 3)


def faithful_share(model, tokenizer, made):
  """Share of greedy summaries that are word for word one of the templates filled in right."""
  faithful = 0
  model.eval()
  for record, table, _ in made:
    prompt = tokenizer.apply_chat_template(record["prompt"], add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
      ids = model.generate(**prompt, max_new_tokens=60, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    text = tokenizer.decode(ids[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True).strip()
    faithful += text in reports.right_summaries(table)
  return round(faithful / len(made), 3)


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument("--directory", default=os.path.dirname(os.path.abspath(__file__)))
  parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
  parser.add_argument("--rate", type=float, default=2e-3)
  parser.add_argument("--epochs", type=int, default=3)
  parser.add_argument("--batch", type=int, default=16)
  parser.add_argument("--beta", type=float, default=0.1)
  parser.add_argument("--threads", type=int, default=1)
  parser.add_argument("--greedy", action="store_true", help="also count faithful greedy summaries (slower)")
  options = parser.parse_args()
  torch.set_num_threads(options.threads)

  directory = options.directory
  tokenizer = AutoTokenizer.from_pretrained(f"{directory}/model")
  records, heldout_records = read(f"{directory}/preferences.jsonl"), read(f"{directory}/heldout.jsonl")
  made, _, used = texts.preference_data(random.Random(texts.SEED))  # the same again, with the facts behind it
  assert [record for record, _, _ in made] == heldout_records
  train, heldout = ([tokens(tokenizer, r) for r in part] for part in (records, heldout_records))

  # Pairs that had no part in any choice: the share of faithful summaries was set by the base's accuracy on heldout.jsonl.
  fresh = [tokens(tokenizer, r) for r, _, _ in texts.pairs(random.Random(7), 480, used)]

  def load():
    return AutoModelForCausalLM.from_pretrained(f"{directory}/model", dtype=torch.float32)

  lengths = [(len(c) - p, len(r) - p) for part in (train, heldout) for (c, p), (r, _) in part]
  report = {"tokens per pair, the prompt once": round(
    (sum(p for (_, p), _ in train) + sum(c + r for c, r in lengths[:len(train)])) / len(train))}
  for name, part in (("train", lengths[:len(train)]), ("heldout", lengths[len(train):])):
    report[f"{name}: mean completion tokens"] = [round(sum(x[i] for x in part) / len(part), 2) for i in (0, 1)]
    report[f"{name}: shorter wins"] = round(sum((c < r) + 0.5 * (c == r) for c, r in part) / len(part), 3)
  base = load().eval()
  before, before_train, before_fresh = evaluate(base, heldout), evaluate(base, train), evaluate(base, fresh)
  report["base: eval_logps/accuracies"] = share(before[:, 2] > before[:, 3])
  report["base: accuracy of sums"] = share(before[:, 0] > before[:, 1])
  report["base: eval_logps/accuracies, 480 fresh pairs"] = share(before_fresh[:, 2] > before_fresh[:, 3])
  report["base: on the training pairs"] = share(before_train[:, 2] > before_train[:, 3])
  if options.greedy:
    report["base: greedy summaries faithful"] = faithful_share(base, tokenizer, made)
  print(json.dumps(report, indent=1), flush=True)

  for seed in options.seeds:
    torch.manual_seed(seed)
    order = random.Random(seed)
    model = get_peft_model(load(), LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules=LINEARS,
                                              task_type="CAUSAL_LM"))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.rate, weight_decay=0.0)
    per_epoch = math.ceil(len(train) / options.batch)
    steps, step, begun = per_epoch * options.epochs, 0, time.time()
    curve = []
    for _ in range(options.epochs):
      shuffled = order.sample(range(len(train)), len(train))
      for at in range(0, len(train), options.batch):
        chosen_rows = shuffled[at:at + options.batch]
        for group in optimizer.param_groups:
          group["lr"] = options.rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        sums, _ = log_probs(model, [s for row in chosen_rows for s in train[row]])
        reference = before_train[chosen_rows]
        margin = (sums[0::2] - reference[:, 0]) - (sums[1::2] - reference[:, 1])
        loss = -torch.nn.functional.logsigmoid(options.beta * margin).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        curve.append(round(loss.item(), 3))
    seconds = time.time() - begun
    model.eval()
    after = evaluate(model, heldout)
    margins = (after[:, 0] - before[:, 0]) - (after[:, 1] - before[:, 1])
    result = {"seed": seed, "steps": steps, "seconds": round(seconds),
              "eval_rewards/accuracies": share(margins > 0), "eval_logps/accuracies": share(after[:, 2] > after[:, 3]),
              "eval_rewards/margins": round(options.beta * margins.mean().item(), 3),
              "eval_loss": round(-torch.nn.functional.logsigmoid(options.beta * margins).mean().item(), 3),
              "loss by epoch": [round(sum(curve[i:i + per_epoch]) / per_epoch, 3) for i in range(0, steps, per_epoch)]}
    after = evaluate(model, fresh)
    gained = (after[:, 0] - before_fresh[:, 0]) - (after[:, 1] - before_fresh[:, 1])
    result["480 fresh pairs: rewards, logps"] = [share(gained > 0), share(after[:, 2] > after[:, 3])]
    for kind in ("flipped", "invented", "swapped"):
      rows = [i for i, (_, _, kinds) in enumerate(made) if kind in kinds]
      result[f"{len(rows)} pairs with something {kind}"] = share(margins[rows] > 0) if rows else None
    if options.greedy:
      result["greedy summaries faithful"] = faithful_share(model, tokenizer, made)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
  main()
