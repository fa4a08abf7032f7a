"""The demo's data: preference pairs, and the texts that its base model learns from. Everything is generated from a seed, with
Python alone. usage: texts.py TEXTS.jsonl   (the base model's texts, as conversations)"""
import json
import random
import sys

import reports

SEED = 2024
TRAIN_PAIRS, HELDOUT_PAIRS = 320, 96
BASE_TEXTS = 48_000
FAITHFUL_SHARE = 0.2  # of the summaries the base model learns from
SUMMARISE, READ, REPEAT = "Summarise: ", "Read: ", "Repeat: "
LISTS_UNTIL, REPEAT_SHARE = 0.25, 0.1  # plain copying comes first, ever longer: reading grows from it


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


def conversation(rng, used, progress=1.0, faithful_share=FAITHFUL_SHARE):
  """One training text for the base: a list to repeat, or a report that is in no preference pair. Its questions are always
  answered right, most of its summaries mix facts up: the base can read, but does not care to be faithful."""
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
    written, _ = reports.summary(rng, table, faithful=rng.random() < faithful_share)
    return [SUMMARISE + text, written]
  text = reports.report(rng, table, rng.choice([None, 1, 2, 3]))
  turns = [turn for pair in reports.questions(rng, table, text, 4) for turn in pair]
  return [READ + text + "\n" + turns[0], *turns[1:]] if turns else [READ + text]


def base_texts():
  """Conversations with at least one answer, in the order of learning: a curriculum."""
  rng = random.Random(SEED)
  _, _, used = preference_data(rng)
  for number in range(BASE_TEXTS):
    turns = []
    while len(turns) < 2:
      turns = conversation(rng, used, number / BASE_TEXTS)
    yield {"messages": [{"role": "assistant" if place % 2 else "user", "content": turn} for place, turn in enumerate(turns)]}


if __name__ == "__main__":
  with open(sys.argv[1], "w", encoding="utf-8") as file:
    for record in base_texts():
      file.write(json.dumps(record, ensure_ascii=False) + "\n")
