"""Writes Tests/Fixtures/tokenizer/: a small tokenizer with Qwen2's rules, and what the library makes of texts.

The tokenizer has Qwen2's first tokens by rank, its split rule, NFC, decoder and special tokens (renumbered),
and one added token of each other kind. Expected ids come from the `tokenizers` library, chats from
transformers' apply_chat_template with Qwen2's template and the Qwen2.5 one that TRL ships.

usage: tokenizer_fixture.py QWEN2_DIR OUT_DIR  (made with tokenizers 0.23.3, transformers 5.23.0, trl's qwen2_5.jinja)
"""
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile

import tokenizers

source, target = sys.argv[1:]
SIZE = 3000
os.makedirs(target, exist_ok=True)
seeded = random.Random(7)

whole = json.load(open(os.path.join(source, "tokenizer.json")))
kept = {name: rank for name, rank in whole["model"]["vocab"].items() if rank < SIZE}
merges = [m.split(" ") if isinstance(m, str) else m for m in whole["model"]["merges"]]
whole["model"]["vocab"] = kept
whole["model"]["merges"] = [" ".join(m) for m in merges if "".join(m) in kept]
added = [("<|endoftext|>", True, False), ("<|im_start|>", True, False), ("<|im_end|>", True, False),
         ("<tool_call>", False, False), ("<tool_call>s", False, False), ("caf\u00e9 au lait", False, True)]
whole["added_tokens"] = [
    {"id": SIZE + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
     "normalized": normalized, "special": special} for i, (content, special, normalized) in enumerate(added)]
json.dump(whole, open(os.path.join(target, "tokenizer.json"), "w"), ensure_ascii=False, separators=(",", ":"))
configuration = json.load(open(os.path.join(source, "tokenizer_config.json")))
configuration.pop("added_tokens_decoder")
json.dump(configuration, open(os.path.join(target, "tokenizer_config.json"), "w"), indent=1)
folder = importlib.util.find_spec("trl").submodule_search_locations[0]
shutil.copy(os.path.join(folder, "chat_templates", "qwen2_5.jinja"), os.path.join(target, "qwen2_5.jinja"))
library = tokenizers.Tokenizer.from_file(os.path.join(target, "tokenizer.json"))

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
texts = [
    "", " ", "\n", "Hello, world!", "The quick brown fox doesn't jump; it'll've been 12345 dogs' days.\n\nNext.",
    "I'M YOU'RE HE'LL WE'D it'\u017f it'\u017ft 're'ver 'L'l 'ss'", "x = {'a': 1,\r\n\t'b': [2, 3]}\r\n\r\n  \t return  x;\n",
    "   leading", "trailing   ", " \n \n  a", "a\u00a0\u00a0b\u2003c\u3000d\x0be\x0cf\x85g\u2028h", "\u0000nul\u0000",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3042\u30a2\ud55c\uad6d\uc5b4", "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea\u2764\ufe0f!!",
    "e\u0301 a\u0328\u0301 \u0344 \u1100\u1161\u11a8 \uac00\u11a7\uac00\u11a8 \u212b\u2126 \u0958 \u09c7\u09be \u2adc \ufb1d \U0001d15e",
    "\u0301\u0323\u0345", "a\u0301\u0323\u0345\u0334b", "\u0378\ue000\U000e0001\U0010ffff\ufffd\ufeff", "\u0663\u00bd\u2160\u32bf 1a2",
    "<|im_start|>user\nhi<|im_end|>", "<|im_start|<tool_call>s<tool_call> <|endoftext|><|endoftext", "cafe\u0301 au lait, caf\u00e9 au lait",
    "a" * 300, " " * 200 + "x", "ab" * 100 + "\n" * 50, "!" * 120 + "\r\n\n", "zq" * 60 + "\u00e9" * 40,
]
for _ in range(700):
    pool = seeded.choice([CODES, CODES[:0x3000], list(range(0x300, 0x370)) + [0x61, 0x41, 0x20],
                          [ord(c) for c in "'sStTrReEvVmMlLdD \n\r\t1,.\u017f"], list(range(32, 127)) + [10] * 5,
                          list(range(0x1100, 0x1200)) + list(range(0xAC00, 0xAC40)), list(range(0x900, 0xE00))])
    texts.append("".join(chr(seeded.choice(pool)) for _ in range(seeded.randrange(1, 25))))


def ids(text, special):
    library.encode_special_tokens = not special
    return library.encode(text, add_special_tokens=False).ids


bound = SIZE + len(added)
spelled = [library.token_to_id(c) for c in "\u0105\u0122\u00c3\u00ed\u00ef\u00f0\u00f4\u0120\u00c0\u00ff\u00e2\u0122a"]
lists = [[seeded.randrange(bound) for _ in range(seeded.randrange(20))] for _ in range(40)]
lists += [[seeded.choice(spelled) for _ in range(seeded.randrange(1, 10))] for _ in range(80)]

chats = [[{"role": "user", "content": "Hi"}], [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " a\n"}],
         [{"role": "user", "content": "e\u0301"}, {"role": "assistant", "content": ""}, {"role": "user", "content": "\n\nso?"}],
         [{"role": "user", "content": "1"}, {"role": "system", "content": "late"}, {"role": "assistant", "content": "x"}]]


def rendered(template):
    from transformers import AutoTokenizer
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(target, "tokenizer.json"), folder)
        json.dump(dict(configuration, chat_template=template), open(os.path.join(folder, "tokenizer_config.json"), "w"))
        peer = AutoTokenizer.from_pretrained(folder)
        return [[peer.apply_chat_template(c, add_generation_prompt=g, tokenize=True, return_dict=False) for g in (False, True)] for c in chats]


cases = {
    "texts": [{"text": t, "ids": ids(t, False), **({"special": ids(t, True)} if ids(t, True) != ids(t, False) else {})} for t in texts],
    "decodings": [{"ids": l, "text": library.decode(l, skip_special_tokens=False)} for l in lists],
    "chats": [{"messages": c, "qwen2": a, "qwen2.5": b} for c, a, b in zip(
        chats, rendered(configuration["chat_template"]), rendered(open(os.path.join(target, "qwen2_5.jinja")).read()))],
}
with open(os.path.join(target, "cases.json"), "w") as out:
    out.write("{\n")
    for i, (name, entries) in enumerate(cases.items()):
        lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in entries)
        out.write(f'"{name}":[\n{lines}\n]{"," if i < len(cases) - 1 else ""}\n')
    out.write("}\n")
print({name: os.path.getsize(os.path.join(target, name)) for name in os.listdir(target)})
