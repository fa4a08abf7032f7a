#!/usr/bin/env python3
"""Writes the seeds of the fuzzer, Tests/Fuzz/Corpus/PARSER/NAME: small sound inputs that it starts from.

Inputs that are found to crash are added by hand, as crash-WHAT; this script leaves them alone.
Python's own library is all it needs; the tiny model of Tests/Fixtures gives the files of a hub directory,
and its parquet files the small ones of every kind.
"""
import gzip
import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "Fixtures"


def seed(parser, name, content, choice=None):
    if isinstance(content, str):
        content = content.encode()
    path = HERE / "Corpus" / parser / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if choice is None else bytes([choice]) + content)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def safetensors(tensors, metadata=None):
    """tensors: (name, dtype, shape, bytes), in the order of the file."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = compact(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def sealed(tensors, key):
    digest = hashlib.sha256()
    for name, _, _, content in tensors:
        digest.update(name.encode() + b"\n" + content)
    return safetensors(tensors + [("sha256", "U8", [32], digest.digest())], {"key": key})


# JSON, and files in JSON
seed("json", "all", r'{"a":[1,-2.5e3,true,false,null,"é\u00e9\ud83d\ude00\n"],"b":{"c":{}},"":[]}')
seed("json", "python", r'{"a":NaN,"b":[-Infinity,1e999],"c":"\ud83d","a":1,"d":"\u0000"}')
seed("json", "nested", "[" * 20 + "]" * 20)
seed("config", "qwen2", (FIXTURES / "tiny/model/config.json").read_text())
seed("generation-config", "qwen2", compact({
    "bos_token_id": 0, "do_sample": True, "eos_token_id": [1, 2], "repetition_penalty": 1.1, "temperature": 0.7,
    "top_k": 20, "top_p": 0.8, "max_new_tokens": 64, "num_beams": 1, "min_p": 0.0}))
seed("generation-config", "greedy", compact({
    "do_sample": False, "temperature": 0.0, "top_k": -1, "max_length": 20.0, "stop_strings": ["x"], "min_p": 0.1}))

# Weights
two = [("a", "F32", [1, 2], struct.pack("<2f", 1, 2)), ("b", "BF16", [3], b"\0\x3f" * 3)]
seed("safetensors", "two", safetensors(two, {"format": "pt"}))
seed("safetensors", "empty-tensor", safetensors([("a", "U8", [0], b""), ("b", "U8", [1], b"x")]))
seed("shards", "index", compact({
    "metadata": {"total_size": 4}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}), 0)
seed("shards", "upwards", compact({"weight_map": {"a": "../model-1.safetensors", "b": "/etc/passwd"}}), 0)
seed("shards", "shard", safetensors([("a", "U8", [2], b"\1\2")]), 1)
configuration = {
    "base_model_name_or_path": None, "bias": "none", "fan_in_fan_out": False, "init_lora_weights": True,
    "lora_alpha": 2, "lora_dropout": 0.0, "peft_type": "LORA", "r": 1, "target_modules": ["q_proj"],
    "task_type": "CAUSAL_LM", "use_dora": False, "use_rslora": False}
seed("adapter", "configuration", compact(configuration), 0)
seed("adapter", "pattern", compact({**configuration, "target_modules": r".*\.(q_proj|v_proj)"}), 0)
matrices = [
    (f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{side}.weight", "F16", shape, b"\0\x3c" * 64)
    for layer in range(2) for side, shape in (("A", [1, 64]), ("B", [64, 1]))]
seed("adapter", "weights", safetensors(matrices), 1)

# Tokenizers
seed("tokenizer", "tokenizer", (FIXTURES / "tiny/model/tokenizer.json").read_text(), 0)
seed("tokenizer", "configuration", (FIXTURES / "tiny/model/tokenizer_config.json").read_text(), 1)
seed("tokenizer", "template", (FIXTURES / "tokenizer/qwen2_5.jinja").read_text(), 2)
seed("tokenizer", "text", "Hello,  wörld's 12345 <|im_end|>\r\n\n\té — 你好 😀 " + "a" * 120, 3)

# Data
message = {"role": "user", "content": "q"}
answer = {"role": "assistant", "content": "a"}
records = {
    "pair": {"prompt": "Say it.", "chosen": " Yes.", "rejected": " No."},
    "implicit": {"chosen": "The same start, yes", "rejected": "The same start, no"},
    "conversation": {"prompt": [message], "chosen": [answer], "rejected": [{**answer, "content": "b"}]},
    "messages": {"messages": [{"role": "system", "content": "s"}, message, answer, message, answer]},
    "chat": {"messages": "q", "chosen": {"role": "assistant", "content": "a"}, "rejected": [message, answer]},
    "text": {"text": "A text that is longer than the limit of twenty-four tokens, so that it is cut in pieces."},
    "intel": {"system": "s", "question": "q", "prefill": "p", "chosen": "c", "rejected": "r"},
    "rendered": {"question": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n", "chosen": "c", "rejected": "r"},
    "ultra": {"prompt": "q", "chosen": [message, answer], "rejected": [message, {**answer, "content": "b"}]},
    "alpaca": {"instruction": "i", "input": "n", "output": "o"},
    "labelled": {"prompt": "q", "completion": "c", "label": True},
}
call = {**answer, "content": None, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}
records |= {
    "tools": {"messages": [message, call, {"role": "tool", "content": "r"}, answer], "tools": [{"type": "function"}],
              "chat_template_kwargs": {"x": [1]}},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]},
                           {"role": "assistant", "content": [{"text": "é", "train": False}, {"text": " b", "weight": 1}]}]},
    "detail": {"messages": [message, {**answer, "content": "<think>t</think> aé b", "detail": [
        {"begin_offset": 0, "end_offset": 1, "train": True}, {"begin_offset": 9, "end_offset": 99, "train": False}]},
        {**answer, "train": 1}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a", "weight": 0}], "system": "s"},
    "factory": {"conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "a"},
                "rejected": {"from": "gpt", "value": "b"}},
    "factory-alpaca": {"instruction": "i", "input": "n", "history": [["q", "a"]], "chosen": "c", "rejected": "r"},
    "factory-labels": {"messages": [message, answer], "kto_tag": 1},
    "segments": {"segments": [{"label": False, "text": "q <|im_end|>"}, {"label": 1, "text": "a"}]},
    "pygmalion": {"conversations": [{"role": "system", "value": "s\n<START>"}, {"role": "human", "value": "q"},
                                    {"role": "bot", "value": "a"}]},
    "choices": {"question": "q", "choices": ["a", "b"], "solution": "a", "answer": "a", "article": "t", "summary": "s"},
    "reflection": {"instruction": "i", "output": "o", "reflection": "r", "corrected": "c", "system": "s"},
    "text-answers": {"prompt": "q", "chosen": answer, "rejected": [{**answer, "content": "b"}]},
    "argilla": {"chosen": [message, answer], "rejected": [message, {**answer, "content": "b"}]},
    "own": {"q": "q", "a": "a", "b": "b"},
}
for name, record in records.items():
    seed("records", name, compact(record) + "\n")
seed("records", "array", " [" + ", ".join(map(compact, records.values())) + "]\n")
rendered = "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
seed("records", "rendered-text", compact({"prompt": rendered, "chosen": "a<|im_end|>\n" + rendered, "rejected": "b"}) + "\n")
seed("records", "harmless", compact({"score": float("nan"), "prompt": "p\0", "completion": "c", "label": 1}) + "\r"
     + r'{"x":"\ud83d","x":1e999,"text":"t"}' + "\r\n")
lines = (compact(records["pair"]) + "\n").encode()
seed("gzip", "one", gzip.compress(lines, mtime=0))
seed("gzip", "two-members", gzip.compress(lines, mtime=0) + gzip.compress(b"[1]", mtime=0))
seed("gzip", "padded", gzip.compress(lines, mtime=0) + b"\0" * 9 + gzip.compress(lines, mtime=0) + b"\0" * 3)

# A configuration with most of its keys
seed("configuration", "most-keys", """\
base_model: &model model
adapter: lora
lora_r: 4
lora_alpha: 8
lora_dropout: 0.1
lora_target_modules: [q_proj, v_proj]
peft_init_lora_weights: gaussian
rl: dpo
dpo_loss_type: [sigmoid, sft]
dpo_loss_weights: [1.0, 0.5]
rl_beta: 0.1
datasets:
  - path: pairs.jsonl
    ds_type: json
    type: chatml.intel
    split: train
    field_question: q
    roles: {user: [human], assistant: [gpt], tool: [observation]}
    message_property_mappings: {role: from, content: value, name: who}
  - path: own.jsonl
    type: {field_prompt: q, prompt_format: "{{ {prompt} ", chosen_format: "{chosen}", field_system: s}
  - path: chats.jsonl
    type: chat_template
    roles_to_train: []
    train_on_eos: all
    train_on_eot: last
    message_field_training: train
    message_field_training_detail: detail
    drop_system_message: true
    split_thinking: true
    field_thinking: thought
eot_tokens: ["<|im_end|>"]
val_set_size: 0.1
sequence_len: 512
excess_length_strategy: truncate_middle
micro_batch_size: 5
gradient_accumulation_steps: 2
num_epochs: 2
optimizer: adamw_torch
learning_rate: 1e-3
lr_scheduler: cosine
warmup_ratio: 0.1
cosine_min_lr_ratio: 0.1
evals_per_epoch: 3
saves_per_epoch: 2
gradient_checkpointing: auto
memory_limit: 12GB
output_dir: run
""")
seed("configuration", "of-others", """\
x-common: &common {lora_r: "4", lora_alpha: 0.5}
base_model: m
adapter: lora
<<: [*common, {seed: 1}]
datasets:
  - &first {path: a.jsonl, special_tokens_in_text: parse}
  - <<: *first
    path: b.ndjson
learning_rate: '1e-4'
optimizer: paged_adamw_8bit
lr_scheduler: cosine_with_min_lr
lr_scheduler_kwargs: {min_lr: 1e-5}
eval_steps: 0.05
save_steps: 0.2
logging_steps: 0.1
warmup_steps: 0.03
max_steps: -1
save_total_limit: 0
resume_from_checkpoint: true
load_in_8bit: true
plugins: [axolotl.integrations.liger.LigerPlugin]
val_set_size: 0.1
output_dir: o
""")
seed("configuration", "packed", """\
base_model: m
adapter: lora
datasets: [{path: a.jsonl, type: completion}]
sequence_len: 9
sample_packing: true
sample_packing_group_size: 5
sample_packing_bin_size: 2
sample_packing_sequentially: false
sample_packing_eff_est: 0.9
dataloader_drop_last: true
flash_attention: true
micro_batch_size: 2
gradient_accumulation_steps: 2
num_epochs: 2.5
learning_rate: 1e-4
output_dir: o
""")
seed("configuration", "kto", """\
{base_model: m, adapter: qlora, load_in_4bit: true, rl: kto, kto_desirable_weight: 1.5, micro_batch_size: 4,
datasets: [{data_files: [a.jsonl, b.jsonl.gz], path: json}], learning_rate: .5e-4, optimizer: lion, max_steps: 7,
lr_scheduler: inverse_sqrt_cooldown, warmup_steps: 2, cooldown_steps: 3, eval_steps: 2, save_steps: 3,
test_datasets: [{path: t.json}], output_dir: run, seed: 7, early_stopping_patience: 2}
""")

# Caches
digests = "".join("0123456789abcdef"[n % 16] for n in range(128)).encode()
sums = struct.pack("<dddq", -1.5, -2.5, -3.5, 0x7FF8000053484F41)
checksum = hashlib.sha256(digests + sums).hexdigest()
cache = safetensors(
    [("sums", "I64", [2, 2], sums), ("digests", "U8", [2, 64], digests)], {"key": "0" * 64, "sha256": checksum})
seed("reference-cache", "raw", cache, 0)
seed("reference-cache", "sealed", cache, 1)
shapes = {"self_attn.q_proj": (2, 64), "self_attn.k_proj": (2, 64), "self_attn.v_proj": (2, 64),
          "self_attn.o_proj": (64, 2), "mlp.gate_proj": (64, 64), "mlp.up_proj": (64, 64), "mlp.down_proj": (64, 64)}
parts = []
for name, (rows, columns) in shapes.items():
    name = f"model.layers.0.{name}.weight"
    maxima = (rows * columns // 64 + 255) // 256
    parts += [
        (name + ".nested_absmax", "F32", [maxima], struct.pack("<f", 0.5) * maxima),
        (name + ".nested_offset", "F32", [1], struct.pack("<f", 0.25)),
        (name, "U8", [rows, columns // 2], b"\x12" * (rows * columns // 2)),
        (name + ".absmax", "U8", [rows, columns // 64], b"\x80" * (rows * (columns // 64)))]
parts.sort(key=lambda part: part[1] == "U8")
seed("quantized-base", "sealed", sealed(parts, "key"), 1)
parts = []
for name, (rows, columns) in shapes.items():
    name = f"model.layers.0.{name}.weight"
    parts += [
        (name + ".scales", "F32", [rows], struct.pack("<f", 0.5) * rows),
        (name + ".factors", "F32", [columns], struct.pack("<f", 2) * columns),
        (name, "U8", [rows, columns], b"\x12" * (rows * columns))]
parts.sort(key=lambda part: part[1] == "U8")
seed("quantized-base", "int8", sealed(parts, "key"), 1)
seed("quantized-base", "small", sealed([("a", "U8", [2], b"ab")], "key"), 0)

# Checkpoints: the files in the order of their names
state = {"global_step": 3, "epoch": 0.5, "num_input_tokens_seen": 77, "best_metric": 0.25,
         "best_global_step": 2, "best_model_checkpoint": "checkpoint-1", "best_model_checkpoint_metric": 0.5,
         "evaluations_without_improvement": 1, "inputs": {"model": "m"}, "run": "r", "skipped_steps": 1,
         "skipped_recently": [2], "quarantined": {"training": [5], "held_out": []}}
partial = {"partial": {"kind": "step", "step": 4, "examples_done": 1, "seconds": 2.5}}
weights = [(name, "F32", shape, b"\0\0\x80\x3f" * 64) for name, _, shape, _ in matrices]
seed("checkpoint", "configuration", compact(configuration), 0)
seed("checkpoint", "weights", safetensors(weights, {"format": "pt"}), 1)
seed("checkpoint", "manifest", json.dumps({"version": 1, "files": {
    "trainer_state.json": {"bytes": 7, "sha256": "0" * 64}, "../x": {"bytes": 1, "sha256": "1" * 64}}}, indent=2), 2)
seed("checkpoint", "optimizer", safetensors(
    [(prefix + name, *rest) for prefix in ("exp_avg.", "exp_avg_sq.") for name, *rest in weights],
    {"format": "pt"}), 3)
seed("checkpoint", "state", json.dumps(state, indent=2), 4)
seed("partial-work", "sums", safetensors([("sums", "I64", [4], struct.pack("<4q", 1, -2, 3, 4))], {"format": "pt"}), 1)
seed("partial-work", "state", json.dumps(state | partial, indent=2), 2)
seed("partial-work", "manifest", json.dumps({"version": 1, "files": {
    "trainer_state.json": {"bytes": 7, "sha256": "0" * 64}}}, indent=2), 0)

# The same of all weights of a small model, which is a model too
small = {"model_type": "qwen2", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
         "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 8, "rms_norm_eps": 1e-6, "rope_theta": 1e4,
         "tie_word_embeddings": True, "max_position_embeddings": 8, "torch_dtype": "float32"}
layer = "model.layers.0."
shapes = {"model.embed_tokens.weight": [8, 8], layer + "input_layernorm.weight": [8]}
shapes |= {f"{layer}self_attn.{name}_proj.{part}": [8, 8][:rank]
           for name in "qkv" for part, rank in (("weight", 2), ("bias", 1))}
shapes |= {layer + "self_attn.o_proj.weight": [8, 8], layer + "post_attention_layernorm.weight": [8]}
shapes |= {f"{layer}mlp.{name}_proj.weight": [8, 8] for name in ("gate", "up", "down")}
shapes |= {"model.norm.weight": [8]}
trained = [(name, "F32", shape, b"\0\0\x80\x3f" * (64 if len(shape) == 2 else 8)) for name, shape in shapes.items()]
seed("model-checkpoint", "configuration", compact(small), 0)
seed("model-checkpoint", "manifest", json.dumps({"version": 1, "files": {
    "model.safetensors": {"bytes": 7, "sha256": "0" * 64}}}, indent=2), 1)
seed("model-checkpoint", "weights", safetensors(trained, {"format": "pt"}), 2)
seed("model-checkpoint", "optimizer", safetensors(
    [(prefix + name, *rest) for prefix in ("exp_avg.", "exp_avg_sq.") for name, *rest in trained],
    {"format": "pt"}), 3)
seed("model-checkpoint", "state", json.dumps(state, indent=2), 4)
seed("drawn-weights", "sealed", sealed(trained, "key"), 1)
seed("drawn-weights", "small", sealed(trained[:1], "key"), 0)


# Messages between ranks
def tokens(ids):
    return struct.pack("<q", len(ids)) + struct.pack(f"<{len(ids)}i", *ids)


def word(*values):
    return struct.pack(f"<{len(values)}q", *values)


seed("work-item", "empty", word(0, 0))
seed("work-item", "pair", word(77, 1, 3, 2) + tokens([4, 4]) + word(2) + tokens([1, 2, 3, 4]) + tokens([5])
     + word(2, 1, 1, 2, 0, 2, 1, 2) + struct.pack("<2d", -1.5, -2))

# Teachers
judged = """**Summary 1:** The first one.

Summary 2: The second one,
of two lines.

Scores of summary 1: Coherence: 4, Consistency: 5/5, Relevance: 4, Fluency: 3. Total: 16
Total score of summary 2: 2 + 3 + 2 + 2 = 9
Explanation: the first is better (by far).
Best summary: Summary 1
"""
listing = {"id": "own/tiny", "sha": "0123456789" * 4, "siblings": [
    {"rfilename": "config.json", "size": 3, "blobId": "ab" * 20},
    {"rfilename": "data/model.safetensors", "lfs": {"sha256": "cd" * 32, "size": 9, "pointerSize": 134}},
    {"rfilename": "plain.txt"}]}
seed("hub", "listing", "HTTP/2 200\nx-repo-commit: " + "0123456789" * 4 + "\n\n" + compact(listing))
seed("hub", "redirect", "HTTP/1.1 302 Found\nLocation: https://cdn.example:8443/a/b?c=d\nx-linked-etag: \"ab\"\n\n")
seed("hub", "relative", "HTTP/1.1 307 Temporary Redirect\r\nlocation: ../z?x\r\n\r\n{}")
seed("answers", "plain", judged)
seed("answers", "table", judged.replace("Scores", "| Coherence | 4 | 5 |\n|---|---|---|\nScores"))
seed("answers", "thinking", "<think>\nhm\n</think>\n```\n" + judged + "```\n")
seed("answers", "json", compact({
    "summary_1": {"text": "one", "scores": {"coherence": 4}, "total": 16}, "summary_2": "two", "best summary": 1}))
seed("answers", "line", compact({"id": 7, "text": judged}))
seed("answers", "openai", compact({"custom_id": "7", "response": {"status_code": 200, "body": {"choices": [
    {"message": {"content": judged}, "finish_reason": "length"}, {"message": {"refusal": "no"}}]}}}))
seed("answers", "anthropic", compact({"custom_id": "7", "result": {
    "type": "succeeded", "message": {"content": [{"type": "text", "text": judged}], "stop_reason": "max_tokens"}}}))
seed("answers", "languages", "Zusammenfassung 1: eins\n摘要2：二\n总分：15分\nBeste Zusammenfassung: 2\nнет резюме № 1\n")
seed("pattern", "unsloth", r"(?:.*?(?:self_attn|mlp).*?(?:k_proj|v_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.mlp\.up_proj)")
seed("split-rule", "llama3", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
     "\nHello, world 12345 it's\n\n  x")
seed("split-rule", "possessive", r"[^\n\p{L}]?+\p{L}++|a{2,}|(?:b|[c-e])*+f?\P{N}" "\naaaab bcdef 1")
seed("split-rule", "vain", "a*b|a\n" + "a" * 100)
seed("pattern", "counts", r"^(?P<n>a{2,3}|[^b-d\w]+?){0,4}\x41\Z$")
for path in sorted((HERE.parent.parent / "Sources" / "Corpus" / "Templates").glob("*.jinja")):
    seed("template", path.stem, path.read_bytes())
for number, case in enumerate(json.loads((FIXTURES / "templates.json").read_text())["cases"]):
    if number % 8 == 0:
        seed("template", f"case-{number}", case["template"])
# Chains within the limit of links, which mutations pass, and one far beyond
for name, first, link in [("sum", "1", "+1"), ("filter", "1", "|abs"), ("member", "x", ".a"), ("item", "x", "[0]"),
                          ("call", "x", "()"), ("and", "1", " and 1"), ("if", "1", " if 1"), ("is", "1", " is odd")]:
    seed("template", f"chain-{name}", "{{ " + first + link * 990 + " }}")
seed("template", "chain-long", "{{ 1" + "+1" * 30000 + " }}")
seed("template", "chain-calls", "{% macro f() %}{{ 1" + "+1" * 900 + "+ f() }}{% endmacro %}{{ f() }}")
for path in sorted((FIXTURES / "parquet").glob("*.parquet")):
    if path.stem.startswith(("few", "old-", "nested-2", "flat-old")):
        seed("parquet", path.stem, path.read_bytes())
seed("prompts", "two-sections", "[system]\nYou.\n\n[user]\nSum up:\n{document}\nNow.\n")

# Encoded examples: tokens and entries; the fuzzer makes the rest of a sealed one
def entry(offset, index, prompt, completions, gaps=(), label=0, prompt_digest=b"p" * 16):
    ids = list(range(prompt + sum(completions)))
    digest, start = hashlib.sha256(word(1 + len(completions), prompt, *completions)), 0
    for length in [prompt, *completions]:
        digest.update(struct.pack(f"<{length}i", *ids[start:start + length]))
        start += length
    if gaps or label:
        digest.update(word(label))
        digest.update(word(len(gaps), *[bound for gap in gaps for bound in gap]) if gaps else b"")
    second = completions[1] if len(completions) == 2 else 0
    content = struct.pack(f"<{len(ids)}i", *ids) + b"".join(struct.pack("<2i", *gap) for gap in gaps)
    row = struct.pack("<2q8i", offset, index, prompt, completions[0], second, len(gaps) if gaps else -1,
                      -1, 7, -1, 0) + struct.pack("<Q", label) + prompt_digest + digest.digest()
    return content, row


rows = [(2, [3, 2], (), 0), (1, [6], ((1, 2), (3, 5)), 0), (1, [2], (), 2)]
content, entries = b"", b""
for number, (prompt, completions, gaps, label) in enumerate(rows):
    part, row = entry(len(content), number, prompt, completions, gaps, label)
    content, entries = content + part, entries + row
seed("examples", "sealed", bytes([len(rows), len(content) >> 8, len(content) & 255]) + content + entries, 1)
information = b"{}"
start = len(content) + len(entries)
trailer = b"SHOALEX1" + b"k" * 32 + b"m" * 32 + word(
    len(rows), start, start + len(information), start + len(information), start + len(information) + 8)
seed("examples", "raw", content + entries + information + word(len(content)) + trailer + b"\0" * 32, 0)

# Files of torch.save, and what stands beside the weights of an encoder
def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def name(module, value):
    return f"c{module}\n{value}\n".encode()


def view(key, kind, count, offset, shape, strides, old=False):
    """A tensor of a storage."""
    identity = (b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count)
                + (b"N" if old else b"") + b"tQ")
    axes = b"".join(b"(" + b"".join(map(number, axis)) + b"t" for axis in (shape, strides))
    return (name("torch._utils", "_rebuild_tensor_v2") + b"(" + identity + number(offset) + axes + b"\x89"
            + name("collections", "OrderedDict") + b")RtR")


def state(old=False):
    return (b"\x80\x02" + name("collections", "OrderedDict") + b")Rq\x00(" + text("a.weight")
            + view("0", "FloatStorage", 6, 0, (2, 3), (3, 1), old) + b"q\x01" + text("b") + b"h\x01" + text("c")
            + view("1", "HalfStorage", 4, 1, (3,), (1,), old) + b"u}" + text("_metadata") + b"}sb.")


archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
    for member, content in [("data.pkl", state()), ("byteorder", b"little"), ("data/0", bytes(24)), ("data/1", bytes(8)),
                            ("version", b"3\n")]:
        file.writestr(zipfile.ZipInfo("model/" + member), content)
seed("torch-file", "archive", archive.getvalue())
seed("torch-file", "old", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}" + text("little_endian")
     + b"\x88s." + state(old=True) + b"\x80\x02](" + text("0") + text("1") + b"e."
     + struct.pack("<q", 6) + bytes(24) + struct.pack("<q", 4) + bytes(8))
for choice, member in enumerate(["config.json", "vocab.json", "merges.txt", "tokenizer_config.json"]):
    seed("encoder", member, (FIXTURES / "bert/deberta" / member).read_text(), choice)
seed("encoder", "special_tokens_map.json", compact({
    "cls_token": "[CLS]", "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": True}}), 4)
seed("encoder", "tokenizer.json", (FIXTURES / "bert/deberta-tokenizer.json").read_text(), 5)
seed("rouge", "texts", "The cats sat on the mat.\nRelational\0A cat sits,\nrelationally, on mats\n\n")

# Tasks: a task file, as the harness has them and with every name, and answers after NULs; documents of built-in tasks
LM_EVAL = FIXTURES / "lm_eval"
tasks = json.loads((LM_EVAL / "tasks.json").read_text())
for task, definition in tasks["tasks"].items():
    seed("task-file", task, "\0".join([compact({"task": task, **definition}), *tasks["answers"][:8]]), 0)
seed("task-file", "choice", """\
task: own
task_alias: Own
tag: [one, two]
output_type: multiple_choice
dataset_path: json
dataset_name: main
dataset_kwargs:
  data_files: {test: documents.jsonl, train: [documents.jsonl, documents.jsonl]}
training_split: train
validation_split: test
test_split: test
fewshot_split: train
num_fewshot: 1
doc_to_text: "Q: {{question.strip()}}"
doc_to_choice: choices
doc_to_target: answer
description: "About {{word}}:\\n"
target_delimiter: ""
fewshot_delimiter: "\\n###\\n"
gen_prefix: "It is"
should_decontaminate: true
doc_to_decontamination_query: question
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: nanmean}
  - {metric: acc_bytes, aggregation: median}
  - metric: acc_tok
  - metric: acc_mutual_info
  - metric: exact_match
  - {metric: brier_score, hf_evaluate: false}
metadata: {version: 1.0, note: [x]}
unsafe_code: false
""", 0)
seed("task-file", "labels", """\
{task: l, output_type: multiple_choice, test_split: t, doc_to_text: '{{ text }}', doc_to_choice: [a, b, c],
doc_to_target: '{{ n | int }}', metric_list: [{metric: f1}, {metric: mcc}, {metric: acc, aggregation: f1}]}
""", 0)
seed("task-file", "several-targets", """\
{task: s, output_type: multiple_choice, test_split: t, doc_to_text: "{{question}}", doc_to_choice: "{{choices}}",
doc_to_target: "[0, 1, -1]", metric_list: [{metric: acc}, {metric: exact_match}, {metric: brier_score}]}
""", 0)
seed("task-file", "ends", """\
{task: e, output_type: multiple_choice, test_split: t, doc_to_text: "{{answer or 0}}", doc_to_target: word,
doc_to_choice: {a: "x", b: "{{y}}"}, num_fewshot: 1, fewshot_split: t, fewshot_config: {sampler: first_n}}
""", 0)
seed("task-file", "likelihood", """\
{task: k, output_type: loglikelihood, test_split: t, doc_to_text: text, doc_to_target: " {{word}}", num_fewshot: 2,
fewshot_config: {samples: [{text: "a", word: "b"}, {text: c, word: d}], doc_to_text: "{{text}}?", doc_to_target: word,
doc_to_choice: null, gen_prefix: "so", fewshot_delimiter: "|", target_delimiter: "-", fewshot_indices: [0]},
metric_list: [{metric: perplexity, aggregation: perplexity}, {metric: acc}]}
""", 0)
seed("task-file", "rolling", """\
task: r
output_type: loglikelihood_rolling
validation_split: v
doc_to_target: "{{text | regex_replace('[0-9]+', '#')}}"
metric_list: [{metric: word_perplexity, aggregation: weighted_perplexity}, {metric: bits_per_byte},
  {metric: byte_perplexity, aggregation: bits_per_byte}, {metric: token_perplexity}]
""", 0)
seed("task-file", "generation", """\
task: g
test_split: t
doc_to_text: "{% for c in choices %}{{ 'ABC'[loop.index0] }}) {{ c }}\\n{% endfor %}"
doc_to_target: "{{answers}}"
repeats: 3
generation_kwargs: {until: ["\\n\\n", "Q:"], do_sample: true, temperature: 0.5, top_p: 0.9, top_k: 5, max_gen_toks: 9,
  num_beams: 1}
filter_list:
  - name: strict
    filter:
      - {function: regex, regex_pattern: "(?i)(?<!\\\\w)(?:answer|is)\\\\W+(-?\\\\d[\\\\d,]*)|(\\\\w+)$", group_select: -1, fallback: none}
      - {function: take_first_k, k: 2}
      - {function: majority_vote}
      - {function: take_first}
  - name: letters
    filter:
      - {function: multi_choice_regex, regex_pattern: '(\\([A-Z]\\))', group_select: 0, fallback: x, ignore_case: true,
         ignore_punctuation: true, regexes_to_ignore: [the, '[,.]']}
      - {function: remove_whitespace}
      - {function: lowercase}
      - {function: uppercase}
      - {function: map, mapping_dict: {"(B)": b, "CAT": [1]}, default_value: null}
      - {function: take_first}
metric_list:
  - {metric: exact_match, ignore_case: true, ignore_punctuation: true, ignore_numbers: true, regexes_to_ignore: [',', '(?s).*#### ']}
""" + "\0#### 12, the answer is 7\0(B) or cat\0: A\0", 0)
seed("task-file", "patterns", """\
task: p
test_split: t
doc_to_text: word
doc_to_target: target
filter_list:
  - {name: f, filter: [{function: regex, regex_pattern: '(a|b)*?(?P<n>(?:x{2,5}|[^\\W\\d_]+)+)(?=\\s)(?<=\\w)\\b.*$'}]}
metric_list: [{metric: exact_match, regexes_to_ignore: ['^\\s+|\\s+$', '(?m)^#+', '(?:(?:a{9}){9}){9}']}]
""" + "\0abab xxxx yy\n## z\0" + "a" * 200, 0)
seed("task-file", "included", """\
task: parent
output_type: loglikelihood
test_split: &t test
fewshot_split: *t
doc_to_text: "{{question}}"
doc_to_target: "{{label}}"
num_fewshot: 1
""", 1)
seed("task-file", "including", "include: [base.yaml]\ntask: child\nrepeats: 2\ngeneration_kwargs: {until: .}\n", 0)
seed("task-file", "itself", "include: task.yaml\ntask: x\n", 0)
seed("task-file", "function", "task: f\ndoc_to_text: !function utils.text\nprocess_docs: !function utils.docs\n", 0)
seed("task-file", "chat", """\
{include: base.yaml, task: chat, gen_prefix: "It is ", description: "{{hint}}", num_fewshot: 1, fewshot_split: t}
""" + "\0 a cat.\0", 2)
names = ["hellaswag", "winogrande", "arc_easy", "arc_challenge", "piqa", "openbookqa", "boolq", "lambada_openai", "gsm8k",
         "gsm8k_cot", "humaneval", "perplexity", "mmlu", "mmlu_continuation", "texts", "preference"]
files = {"perplexity": "texts", "mmlu": "mmlu_anatomy", "mmlu_continuation": "mmlu_world_religions_continuation"}
kinds = {name: (LM_EVAL / f"{files.get(name, name)}.jsonl").read_text().splitlines() for name in names[:-2]}
kinds["texts"] = [compact({"reference": ["#### 12", "y"], "prompt": "q"}), compact({"reference": "x", "prediction": "x"}),
                  compact({"reference": "x", "messages": [{"role": "user", "content": "q"}]})]
kinds["preference"] = [compact({"prompt": "q", "chosen": " a", "rejected": " b"}),
                       compact({"chosen": "The same, yes", "rejected": "The same, no"})]
for choice, name in enumerate(names):
    lines = [line for line in kinds[name] if len(line) < 1000][:4]
    seed("task-documents", name, "\n".join(lines) + "\n", choice)
    # With an example, and as chats
    for kind in (1, 2):
        seed("task-documents", f"{name}-{kind}", "\n".join(lines[:2]) + "\n", choice + kind * len(names))
seed("task-documents", "odd", """\
{"ctx_a":"[","ctx_b":"ß","endings":["[a","b]\\n["],"activity_label":" [title]","label":" 9223372036854775807 "}
{"ctx_a":"","ctx_b":"","endings":[],"activity_label":"","label":-1}
""", 0)
seed("task-documents", "wrong-types", """\
{"question":1,"choices":{"text":"ab","label":[["A"],{},null,1e99]},"answerKey":{},"x":"\\ud83d","y":NaN}
{"question":null,"choices":[[]],"answerKey":true}
""", 2)
seed("task-documents", "labels", '{"goal":"g","sol1":"a","sol2":"b","label":-5}\n{"goal":[],"sol1":1,"sol2":null,"label":1e3}\n', 4)
