"""Compares `shoal tokenize` with the `tokenizers` library, id by id, on more than 20 MB of text of every kind.

Every code point alone and in company, random marks and syllables, contractions, white space, added tokens, files
of this machine and a few very long lines; then decoding, and chats against transformers' apply_chat_template.

usage: tokenizer_parity.py MODEL_DIR SHOAL_BINARY        (needs tokenizers, transformers, trl, jinja2)
MODEL_DIR is one of a family that tokenizer_families.py writes, or a directory of the hub.
"""
import glob
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

import tokenizers

model, shoal = sys.argv[1:]
seeded = random.Random(20240607)
CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
library = tokenizers.Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
failures = 0


def every_code_point():
    for c in CODES:
        yield chr(c)
    for c in CODES:
        a, x = seeded.choice("aZ1 .\n\u00e9'\u0301\u1100\u4e00"), chr(c)
        yield f"{a}{x}{x}b '{x} 's{x}1{x}" + seeded.choice(["", " ", "\n", "  "])


def random_marks(count):
    marks = [chr(c) for c in CODES if unicodedata.combining(chr(c))]
    bases = [chr(c) for c in CODES if unicodedata.decomposition(chr(c)) and "<" not in unicodedata.decomposition(chr(c))]
    jamo = [chr(c) for c in [*range(0x10FE, 0x1204), *range(0xAC00, 0xAC60), *range(0xD770, 0xD7FF)]]
    for _ in range(count):
        pool = seeded.choice([marks, marks + bases, marks + bases + jamo, jamo, bases])
        yield "".join(seeded.choice(pool if seeded.random() < 0.8 else "aeoiAEO \n'") for _ in range(seeded.randrange(1, 60)))


def random_mixes(count):
    letters = "stremvdlSTREMVDL\u017f\u212a"
    pools = ["'" + letters, "' " + letters, " \t\n\r\u00a0\u2003\u3000\x0b\x0c\x85\u2028", " \n", "0123456789\u0663\u00bd\u2160",
             ".,;:!?-+*/()[]{}<>|\\'\"`~@#$%^&=_", "abcdefghijklmnopqrstuvwxyz", "\u00e4\u00f6\u00fc\u00df\u00e9\u00f1",
             "\u4f60\u597d\u4e16\u754c\u6c34\u3042\u30a2\ud55c", "\U0001f600\U0001f468\u200d\U0001f469\ufe0f\U0001f1e9\U0001f3fd"]
    for _ in range(count):
        parts = []
        for _ in range(seeded.randrange(1, 25)):
            pool = seeded.choice(pools)
            parts.append("".join(seeded.choice(pool) for _ in range(seeded.randrange(1, 9))))
        yield "".join(parts)
    blocks = [range(a, a + 256) for a in range(0, 0x30000, 256) if not 0xD800 <= a <= 0xDFFF]
    for _ in range(count):  # words of one or two scripts
        block = [chr(c) for b in seeded.sample(blocks, 2) for c in b]
        yield " ".join("".join(seeded.choices(block, k=seeded.randrange(1, 12))) for _ in range(8))
    for _ in range(count):  # anything at all
        yield "".join(chr(seeded.choice(CODES)) for _ in range(seeded.randrange(1, 30)))


def added_tokens(count):
    names = [t.content for t in library.get_added_tokens_decoder().values()]
    parts = names + [n[:-1] for n in names] + [n[1:] for n in names] + ["<", "|", "im_start", " ", "\n", "e", "\u0301", "a\u0328\u0301", "user"]
    for _ in range(count):
        yield "".join(seeded.choice(parts) for _ in range(seeded.randrange(1, 12)))


def files(limit):
    paths = []
    for pattern in ("/usr/share/doc/**/*", "/usr/include/**/*.h", "/usr/lib/python3*/**/*.py", "/usr/share/perl/**/*.p[lm]",
                    "/usr/share/common-licenses/*", os.path.join(os.path.dirname(tokenizers.__file__), "../**/*.md"),
                    os.path.join(os.path.dirname(tokenizers.__file__), "../**/*.py")):
        found = sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p) and not os.path.islink(p))
        seeded.shuffle(found)
        paths.append(found)
    total = 0
    while total < limit and any(paths):
        for found in paths:
            if found:
                text = open(found.pop(), "rb").read(400_000).decode("utf-8", "replace")
                total += len(text.encode())
                yield text


def long_lines():
    for unit, count in [("a", 300_000), (" ", 300_000), (" \n", 100_000), ("\u0301\u0323", 100_000), ("\u4f60\u597d", 60_000),
                        ("1", 50_000), ("!", 100_000), ("\U0001f600", 40_000), ("ab", 200_000), ("'s", 50_000), ("\t", 50_000)]:
        yield unit * count
    yield "".join(seeded.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(400_000))
    yield "".join(chr(seeded.randrange(0x4E00, 0x9FFF)) for _ in range(100_000))
    yield "a" + "".join(chr(seeded.choice([0x300, 0x323, 0x345, 0x334, 0x31B])) for _ in range(100_000))


def run(arguments, lines):
    """The command's answers to the lines, and its seconds."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        for line in lines:
            source.write(json.dumps(line, ensure_ascii=seeded.random() < 0.5).encode() + b"\n")
        source.seek(0)
        start = time.monotonic()
        subprocess.run([shoal, "tokenize", "--model", model, *arguments], stdin=source, stdout=target, check=True)
        seconds = time.monotonic() - start
        target.seek(0)
        return [json.loads(line) for line in target], seconds


def compare(name, lines, found, expected):
    global failures
    assert len(found) == len(expected) == len(lines), (name, len(found), len(expected))
    wrong = [i for i in range(len(lines)) if found[i] != expected[i]]
    failures += len(wrong)
    for i in wrong[:3]:
        print("  differs:", ascii(lines[i])[:300], "\n    found", str(found[i])[:200], "\n    expected", str(expected[i])[:200])
    return f"{name:14} {len(lines):9} lines {len(wrong):6} differ"


def compare_encoding(name, lines, special=False):
    found, seconds = run(["--allow-special"] if special else [], lines)
    library.encode_special_tokens = not special
    start = time.monotonic()
    expected = [library.encode(line).ids for line in lines]
    theirs = time.monotonic() - start
    size = sum(len(line.encode()) for line in lines)
    tokens = sum(map(len, expected))
    print(compare(name, lines, found, expected),
          f"{size / 1e6:7.2f} MB {tokens:9} tokens  {size / 1e6 / seconds:6.2f} MB/s (library {size / 1e6 / theirs:.2f})", flush=True)
    return size, tokens


def compare_decoding(count):
    bound = max(library.get_vocab(with_added_tokens=True).values()) + 1
    lines = [[seeded.randrange(bound if seeded.random() < 0.5 else 256) for _ in range(seeded.randrange(0, 40))] for _ in range(count)]
    # Broken UTF-8 in every way: single bytes of the lead and continuation kinds.
    spelled = [library.token_to_id(c) for c in "\u0105\u0122\u00c3\u00ed\u00ef\u00f0\u00f4\u0120\u00c0\u00ff\u00e2\u0122a"]
    spelled = [id for id in spelled if id is not None]
    lines += [[seeded.choice(spelled) for _ in range(seeded.randrange(1, 12))] for _ in range(count)]
    found, _ = run(["--decode"], lines)
    print(compare("decoding", lines, found, [library.decode(l, skip_special_tokens=False) for l in lines]))


def compare_chats(count):
    global model
    from transformers import AutoTokenizer
    folder = importlib.util.find_spec("trl").submodule_search_locations[0]
    qwen25 = open(os.path.join(folder, "chat_templates", "qwen2_5.jinja")).read()
    original = model
    own = json.load(open(os.path.join(original, "tokenizer_config.json")))
    chatml = library.token_to_id("<|im_start|>") is not None
    templates = [("own template", own.get("chat_template"), {}), ("qwen2.5", qwen25 if chatml else None, {})]
    if "enable_thinking" in (own.get("chat_template") or ""):
        templates.append(("no thinking", own["chat_template"], {"enable_thinking": False}))
    for name, template, variables in templates:
        if not template:
            continue
        with tempfile.TemporaryDirectory() as model:
            os.symlink(os.path.abspath(os.path.join(original, "tokenizer.json")), os.path.join(model, "tokenizer.json"))
            json.dump(dict(own, chat_template=template), open(os.path.join(model, "tokenizer_config.json"), "w"))
            peer = AutoTokenizer.from_pretrained(model)
            texts = list(random_mixes(count // 3)) + list(random_marks(count // 3))
            for prompt in (False, True):
                chats = []
                for _ in range(count):
                    roles = [r for r in ["system", "user", "assistant", "user", "assistant"] if seeded.random() < 0.7] or ["user"]
                    chats.append([{"role": r, "content": seeded.choice(texts)} for r in roles])
                found, _ = run(["--chat"] + ["--generation-prompt"] * prompt
                               + (["--chat-template-kwargs", json.dumps(variables)] if variables else []), chats)
                expected = [peer.apply_chat_template(c, add_generation_prompt=prompt, tokenize=True, return_dict=False, **variables)
                            for c in chats]
                print(compare(name, chats, found, expected))
    model = original


def compare_transformers(count):
    """What transformers' own class makes of a text by default, which is not the library alone."""
    from transformers import AutoTokenizer
    peer = AutoTokenizer.from_pretrained(model)
    lines = list(random_mixes(count)) + list(added_tokens(count))
    found, _ = run(["--allow-special"], lines)
    print(compare(type(peer).__name__[:14], lines, found, [peer(line)["input_ids"] for line in lines]), flush=True)


total = tokens = 0
for name, lines in (("code points", every_code_point()), ("marks", random_marks(60_000)), ("mixes", random_mixes(40_000)),
                    ("files", files(12_000_000)), ("long lines", long_lines()), ("added tokens", added_tokens(20_000))):
    size, count = compare_encoding(name, list(lines))
    total, tokens = total + size, tokens + count
size, count = compare_encoding("allow special", list(added_tokens(20_000)), special=True)
total, tokens = total + size, tokens + count
compare_transformers(1_000)
compare_decoding(20_000)
compare_chats(600)
print(f"{total / 1e6:.1f} MB, {tokens} tokens, {failures} lines differ (tokenizers {tokenizers.__version__})")
sys.exit(1 if failures else 0)
