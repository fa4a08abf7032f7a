"""Compares the pieces of random split rules on random texts with the `tokenizers` library.

Each rule is put into a tokenizer.json of single bytes, which puts a space before each piece: so ids show where pieces begin.
A rule that Shoal refuses is counted by its reason; one that the library refuses must be refused too.

usage: pattern_parity.py SHOAL_BINARY [RULES] [SEED]        (needs tokenizers)
"""
import collections
import json
import os
import random
import re
import subprocess
import sys
import tempfile

import tokenizers

shoal, rules, seed = sys.argv[1], int((sys.argv[2:] or [500])[0]), int((sys.argv[3:] or [1])[0])
seeded = random.Random(seed)
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
ALPHABET = [chr(b) if b in PRINTABLE else None for b in range(256)]
for place, byte in enumerate(b for b in range(256) if b not in PRINTABLE):
    ALPHABET[byte] = chr(0x100 + place)
CHARACTERS = "abcABs\u017fk1\u00b2\u4e2d\u00e9\u0301\u02b0\u01c5'.-\n\r\t\u3000$\u00a3"


def atom(depth):
    kind = seeded.random()
    if kind < 0.35:
        return seeded.choice(["a", "b", "c", "A", "'", "1", "\u00e9", r"\.", r"\n", "\u4e2d", "k", "s"])
    if kind < 0.55:
        return seeded.choice([r"\p{L}", r"\p{N}", r"\p{Lu}", r"\p{Ll}", r"\p{M}", r"\p{P}", r"\p{S}", r"\P{L}", r"\s", r"\S", r"\p{Lo}", r"\p{Lm}", r"\p{Lt}"])
    if kind < 0.8:
        members = "".join(seeded.choice(["a", "b-d", "A-C", r"\p{L}", r"\s", r"\n", r"\-", "'", "1", r"\p{N}", r"\p{M}", r"\P{L}"]) for _ in range(seeded.randrange(1, 4)))
        return "[" + ("^" if seeded.random() < 0.4 else "") + members + "]"
    if depth > 2:
        return "a"
    if kind < 0.86:
        return seeded.choice(["(?i:'s|k)", "(?i:[a-c]b)", "(?i:'(?:s|ab))"])
    return seeded.choice(["(", "(?:"]) + alternatives(depth + 1) + ")"


def sequence(depth):
    parts = []
    for _ in range(seeded.randrange(1, 4)):
        parts.append(atom(depth) + seeded.choice(["", "", "", "?", "*", "+", "+", "{2}", "{1,3}", "{2,}", "?+", "*+", "++"]))
    if seeded.random() < 0.15:
        parts.append(seeded.choice([r"(?!\S)", r"(?=a)", r"(?![^a])", r"(?!\p{L})", r"(?=\s)"]))
    return "".join(parts)


def alternatives(depth=0):
    return "|".join(sequence(depth) for _ in range(seeded.randrange(1, 5)))


def write(rule, folder):
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": rule}, "behavior": "Isolated", "invert": False}
    json.dump({"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None, "decoder": byte_level,
               "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
               "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(ALPHABET)}, "merges": []}}, open(f"{folder}/tokenizer.json", "w"))


refused, failures, compared = collections.Counter(), 0, 0
with tempfile.TemporaryDirectory() as folder:
    for _ in range(rules):
        rule = alternatives()
        write(rule, folder)
        texts = ["".join(seeded.choice(CHARACTERS) for _ in range(seeded.randrange(1, 40))) for _ in range(60)]
        run = subprocess.run([shoal, "tokenize", "--model", folder], input="".join(json.dumps(t) + "\n" for t in texts).encode(),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if run.returncode:
            reason = re.search(r'", which ([^,\n]*)', run.stderr.decode())
            refused[re.sub(r"character \d+", "character N", reason[1]) if reason else run.stderr.decode()[-200:]] += 1
            continue
        library = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
        found = [json.loads(line) for line in run.stdout.splitlines()]
        compared += 1
        for text, ids in zip(texts, found):
            expected = library.encode(text).ids
            if ids != expected:
                failures += 1
                if failures < 10:
                    print("differs:", ascii(rule), ascii(text), bytes(ids), bytes(expected))
                break
print(f"{compared} rules compared on 60 texts each, {failures} differ; refused: {dict(refused)} (tokenizers {tokenizers.__version__})")
sys.exit(1 if failures else 0)
