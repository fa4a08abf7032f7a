"""Writes Tests/Fixtures/tokenizer/families.json: what the library makes of texts under the rules of other families.

Each family has the pre-tokenizer, post-processor and switches that its tokenizer.json on the hub has, and the vocabulary
of Tests/Fixtures/tokenizer/tokenizer.json with some tokens that no merge makes. `changes` are the members to replace in
that file. Ids are those of tokenizers' encode; `records` are what TRL's trainers make of data for a tokenizer that begins
each text with a token.

usage: tokenizer_families.py FIXTURE_DIR  (made with tokenizers 0.23.3, transformers 5.23.0, trl 1.16.0)
"""
import json
import os
import random
import sys
import tempfile

import tokenizers
from transformers import AutoTokenizer
from trl.data_utils import _tokenize, common_prefix_length

folder = sys.argv[1]
base = json.load(open(os.path.join(folder, "tokenizer.json")))
seeded = random.Random(11)


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def sequence(*steps, name="pretokenizers"):
    return {"type": "Sequence", name: list(steps)}


def template(token, id, after=()):
    special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special(token), {"Sequence": {"id": "A", "type_id": 0}}] + [special(n) for n, _ in after],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in [(token, id), *after]}}


def digits(single):
    return {"type": "Digits", "individual_digits": single}


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
NEMO = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = sequence(
    split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
    split(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+"), byte_level(regex=False))
# What tiktoken writes, with possessive quantifiers.
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s+"

# Tokens without a merge: only a family that ignores merges makes them, of a piece that is one.
WHOLE = ["123", "45", "\u0120zq", "zqzq", "\u0120the\u0120", "\u00c3\u00a9t\u00c3\u00a9", "\u0120zq\u0120"]
START, TEXT_END, TURN_END, HEADER, HEADER_END = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"
size = len(base["model"]["vocab"])
vocab = {token: size + i for i, token in enumerate(WHOLE)}
size += len(WHOLE)
names = [START, TEXT_END, TURN_END, HEADER, HEADER_END, "<s>", "caf\u00e9 au lait"]
added = [{"id": size + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
          "normalized": not name.startswith("<"), "special": name.startswith("<")} for i, name in enumerate(names)]
ids_of = {entry["content"]: entry["id"] for entry in added}

FAMILIES = {
    "llama3": dict(normalizer=None, pre_tokenizer=sequence(split(LLAMA3), byte_level(regex=False)),
                   post_processor=sequence(byte_level(True), template(START, ids_of[START]), name="processors"), model={"ignore_merges": True}),
    "mistral-nemo": dict(normalizer=None, pre_tokenizer=sequence(split(NEMO), byte_level(regex=False)),
                         post_processor=template("<s>", ids_of["<s>"]), model={"ignore_merges": True}),
    "smollm2": dict(normalizer=None, pre_tokenizer=sequence(digits(True), byte_level()), post_processor=None, model={}),
    "gpt2": dict(normalizer=None, pre_tokenizer={k: v for k, v in byte_level().items() if k != "use_regex"}, post_processor=byte_level(True), model={}),
    "prefix space": dict(normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]},
                         pre_tokenizer=sequence(digits(False), byte_level(True)),
                         post_processor=template("<s>", ids_of["<s>"], [(TEXT_END, ids_of[TEXT_END])]), model={"unk_token": "<s>"}),
    "deepseek": dict(normalizer={"type": "Sequence", "normalizers": []}, pre_tokenizer=DEEPSEEK, post_processor=byte_level(), model={}),
    "cl100k": dict(normalizer=None, pre_tokenizer=sequence(split(CL100K, "Removed", True), byte_level(regex=False)), post_processor=None, model={}),
    "removed": dict(normalizer=None, pre_tokenizer=sequence(split(r"\s+|[,;]"  , "Removed"), byte_level(regex=False)), post_processor=None, model={}),
}

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXTS = ["", " ", "Hello, world! 1234567 it's IT'S 'Re'Ve", "  zq zqzq 123 12345 the ", "\u00e9t\u00e9 \u00c9T\u00c9 e\u0301te\u0301", "HTTPServer getURLFor iOS \u01c5x\u02b0A",
         "x = {'a': 1,\r\n\t'b': [2, 3]}\r\n\r\n  \t return  x;\n//", "a/b/\n/ c\n\n  \n d", "\u4f60\u597d\uff0c\u4e16\u754c\u3042\u30a2abc", "     x      ", "'\u017f \u212a \u00df ss",
         "<|begin_of_text|>hi<|eot_id|> caf\u00e9 au lait, cafe\u0301 au lait", "\U0001f468\u200d\U0001f469 1\u00bd\u0663\u2160", "\U00011de0\U00016ff4 7", "zq" * 60, "A" * 120 + "b", " " * 130, "a\n" * 40]
for _ in range(60):
    pool = seeded.choice([CODES, CODES[:0x3000], list(map(ord, "'sStTrReEvVmMlLdD \n\r\t1,.\u017f/Aa")), list(range(32, 127)) + [10] * 5])
    TEXTS.append("".join(chr(seeded.choice(pool)) for _ in range(seeded.randrange(1, 25))))
CHAT = ("{{- bos_token }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + "
        "message['content'] + '<|eot_id|>' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}")
user, answer = lambda text: [{"role": "user", "content": text}], lambda text: [{"role": "assistant", "content": text}]
RECORDS = [{"prompt": "The sky is", "chosen": " blue.", "rejected": " 123"}, {"prompt": "a\n", "chosen": "zq", "rejected": "zqzq"},
           {"prompt": user("Hi"), "chosen": answer("Hello 123"), "rejected": answer("\u00e9t\u00e9")},
           {"prompt": "Question: 12", "completion": "3 is it"}, {"text": "Once upon a time."}]


def encoded(record, tokenizer):
    """The ids as in `tokenize_fn` of TRL's trainers."""
    if "text" in record:
        return {"ids": [_tokenize(tokenizer, record["text"] + tokenizer.eos_token)["input_ids"]]}
    chat = isinstance(record["prompt"], list)
    prompt = _tokenize(tokenizer, record["prompt"], **({"add_generation_prompt": True} if chat else {}))["input_ids"]
    whole = [_tokenize(tokenizer, record["prompt"] + record[key] + ([] if chat else tokenizer.eos_token))["input_ids"]
             for key in ("chosen", "rejected", "completion") if key in record]
    length = min(common_prefix_length(prompt, ids) for ids in whole)
    return {"prompt": prompt[:length], "ids": [ids[length:] for ids in whole]}


families, records = [], []
for name, changes in FAMILIES.items():
    lacks = ["\u00f3", "\u00f4"] if name == "smollm2" else []
    model = {**base["model"], **changes.pop("model")}
    file = {**base, **changes, "added_tokens": added, "model": {**model, "vocab": {**{t: i for t, i in model["vocab"].items() if t not in lacks}, **vocab}}}
    if lacks:  # ids follow the size of a vocabulary
        file["model"]["vocab"].update({f"<unused{i}>": model["vocab"][token] for i, token in enumerate(lacks)})
    with tempfile.TemporaryDirectory() as directory:
        json.dump(file, open(f"{directory}/tokenizer.json", "w"))
        library = tokenizers.Tokenizer.from_file(f"{directory}/tokenizer.json")
        cases = []
        for text in TEXTS:
            library.encode_special_tokens = True
            case = {"text": text, "ids": library.encode(text).ids}
            library.encode_special_tokens = False
            special = library.encode(text).ids
            cases.append({**case, **({"special": special} if special != case["ids"] else {})})
        if name == "llama3":
            json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": START, "eos_token": TEXT_END, "chat_template": CHAT}, open(f"{directory}/tokenizer_config.json", "w"))
            peer = AutoTokenizer.from_pretrained(directory)
            records = [{"record": record, **encoded(record, peer)} for record in RECORDS]
    families.append({"name": name, "changes": {**changes, "added_tokens": added}, "model": {key: model[key] for key in ("ignore_merges", "unk_token") if key in model},
                     "vocab": vocab, "lacks": lacks, "cases": cases})
with open(os.path.join(folder, "families.json"), "w") as out:
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    out.write('{"chat_template":' + dump(CHAT) + ',\n"records":[\n' + ",\n".join(map(dump, records)) + '\n],\n"families":[\n')
    out.write(",\n".join("{" + ",\n".join(f'"{key}":' + ("[\n" + ",\n".join(map(dump, value)) + "\n]" if key == "cases" else dump(value))
                                          for key, value in family.items()) + "}" for family in families))
    out.write("\n]}\n")
print(os.path.getsize(os.path.join(folder, "families.json")), "bytes")
