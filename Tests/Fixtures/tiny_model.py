"""Tiny Qwen2 checkpoints, PEFT adapters and what transformers, PEFT and torch make of them.

usage: tiny_model.py [OUT]          (OUT defaults to tiny/ beside this file; see requirements.txt)

Everything is random but seeded. Shapes avoid multiples of 16, so that edge tiles are met.
The reference numbers come from transformers' and PEFT's own modules run in float64, each completion as an
ordinary sequence of its own (prompt + completion, no padding, no shared prompt). transformers computes
norms and rotary angles in float32 whatever the model's type is; `float64_throughout` replaces just those two.
The same run in plain float32 is compared with it and its distance is kept in cases.json, which is what a
float32 implementation may be expected to reach.

  OUT/model                               hub layout: bf16, tied, with a tokenizer
  OUT/model-untied                        f32, untied, two shards, heads wider than hidden/heads
  OUT/model-half                          f16, one key/value head, config.json as transformers 4 spelt it
  OUT/adapter, adapter-qv, adapter-untied PEFT directories, B not zero
  OUT/pairs.jsonl                         preference records in TRL's conversational format
  OUT/cases.json                          token ids and float64 scalars of each case
  OUT/reference.safetensors               tensors of each case, float32 roundings of float64:
    CASE/logp/base/T/C, CASE/logp/policy/T/C      per-token log-probs of tree T, completion C [tokens]
    CASE/hidden/base/T/C, CASE/hidden/policy/T/C  final-norm outputs of prompt + completion [rows, hidden]
    CASE/gradient/PEFT_NAME                       of the mean DPO loss over the case's trees
    CASE/RUN/PEFT_NAME                            the adapter after the RUN's last AdamW step
"""
import contextlib
import json
import logging
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, get_scheduler
from transformers.models.qwen2 import modeling_qwen2
from transformers.utils.logging import disable_progress_bar

import tiny_texts

BETA, LABEL_SMOOTHING = 0.1, 0.1
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
MAX_GRAD_NORM = 1.0
ALL_LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


# --- files ----------------------------------------------------------------------------------------

def write_checkpoint(directory, seed, dtype, max_shard_size="5GB", **shape):
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(Qwen2Config(use_sliding_window=False, max_position_embeddings=512, **shape))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.4)
            elif "norm" in name:
                parameter.normal_(1, 0.2)
            elif "embed_tokens" in name or "lm_head" in name:
                parameter.normal_(0, 0.3)
            else:
                parameter.normal_(0, 1.2 / parameter.shape[1] ** 0.5)
    model.to(dtype).save_pretrained(directory, max_shard_size=max_shard_size)


def spell_as_transformers_4(directory):
    """What checkpoints on the hub say: rope_theta and torch_dtype at the top level, no rope_parameters."""
    path = os.path.join(directory, "config.json")
    config = json.load(open(path))
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    config.update(transformers_version="4.40.1", use_sliding_window=False, sliding_window=512)
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)


def write_tokenizer(directory):
    """Qwen2's pipeline with 256 bytes, 144 merges and three special tokens (ids 400, 401, 402)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    texts = [m["content"] for pair in tiny_texts.PAIRS for field in pair.values() for m in field]
    texts += ["system\nYou are a helpful assistant.", "user\n", "assistant\n"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in specials])
    assert tokenizer.get_vocab_size() == 403
    tokenizer.save(os.path.join(directory, "tokenizer.json"), pretty=False)
    entries = {
        str(400 + i): {"content": s, "lstrip": False, "normalized": False, "rstrip": False,
                       "single_word": False, "special": True} for i, s in enumerate(specials)}
    config = {
        "add_prefix_space": False, "added_tokens_decoder": entries,
        "additional_special_tokens": specials[1:], "bos_token": None, "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False, "eos_token": specials[2], "errors": "replace",
        "model_max_length": 512, "pad_token": specials[0], "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    json.dump(config, open(os.path.join(directory, "tokenizer_config.json"), "w"), indent=2)
    loaded = AutoTokenizer.from_pretrained(directory)
    for text in texts:
        assert loaded(text)["input_ids"] == tokenizer.encode(text).ids


def write_adapter(directory, model_directory, seed, **config):
    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model_directory, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **config))
    model.peft_config["default"].base_model_name_or_path = os.path.basename(model_directory)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_A" in name:
                parameter.normal_(0, parameter.shape[1] ** -0.5)
            elif "lora_B" in name:
                parameter.normal_(0, 0.1)
    model.save_pretrained(directory, save_embedding_layers=False)
    os.remove(os.path.join(directory, "README.md"))
    path = os.path.join(directory, "adapter_config.json")
    saved = json.load(open(path))
    saved["target_modules"].sort()  # PEFT writes a set, in an order that changes from run to run
    json.dump(saved, open(path, "w"), indent=2, sort_keys=True)


# --- the model, measured --------------------------------------------------------------------------

def rms_norm(self, hidden):
    return self.weight * (hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def rotary(self, x, position_ids):
    config = self.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    exponents = torch.arange(0, width, 2, dtype=torch.float64) / width
    angles = position_ids[..., None].double() / config.rope_parameters["rope_theta"] ** exponents
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


@contextlib.contextmanager
def float64_throughout():
    norm, angles = modeling_qwen2.Qwen2RMSNorm.forward, modeling_qwen2.Qwen2RotaryEmbedding.forward
    modeling_qwen2.Qwen2RMSNorm.forward, modeling_qwen2.Qwen2RotaryEmbedding.forward = rms_norm, rotary
    try:
        yield
    finally:
        modeling_qwen2.Qwen2RMSNorm.forward, modeling_qwen2.Qwen2RotaryEmbedding.forward = norm, angles


def load(model_directory, adapter_directory, dtype):
    model = AutoModelForCausalLM.from_pretrained(model_directory, dtype=dtype, attn_implementation="sdpa")
    if adapter_directory:
        model = PeftModel.from_pretrained(model, adapter_directory, is_trainable=True)
        model = model.to(dtype)
    return model.train()


def adapters_off(model):
    return model.disable_adapter() if isinstance(model, PeftModel) else contextlib.nullcontext()


def trainable(model):
    """The adapter's parameters under the names PEFT writes."""
    return {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}


def token_logps(model, prompt, completion):
    """Log-probs of the completion's tokens [tokens]; final-norm outputs of all rows [rows, hidden]."""
    output = model(input_ids=torch.tensor([prompt + completion]), output_hidden_states=True, use_cache=False)
    rows = output.logits[0, len(prompt) - 1:-1]
    logps = rows.log_softmax(-1).gather(-1, torch.tensor(completion)[:, None])[:, 0]
    return logps, output.hidden_states[-1][0]


def sums(model, tree):
    return [token_logps(model, tree["prompt"], c)[0].double().sum() for c in tree["completions"]]


def reference_sums(model, trees):
    with torch.no_grad(), adapters_off(model):
        return [sums(model, tree) for tree in trees]


def margin(policy, reference):
    """d = (chosen − its reference) − (rejected − its reference)."""
    return (policy[0] - reference[0]) - (policy[1] - reference[1])


def sigmoid_loss(d):
    return -logsigmoid(BETA * d)


def cdpo_loss(d):
    return -(1 - LABEL_SMOOTHING) * logsigmoid(BETA * d) - LABEL_SMOOTHING * logsigmoid(-BETA * d)


def mean_loss(model, trees, references):
    return torch.stack([sigmoid_loss(margin(sums(model, t), r)) for t, r in zip(trees, references)]).mean()


def gradients(model, trees):
    model.zero_grad()
    mean_loss(model, trees, reference_sums(model, trees)).backward()
    found = {name: p.grad.detach().clone() for name, p in trainable(model).items()}
    model.zero_grad()
    return found


def norm(tensors):
    return torch.stack([t.double().norm() for t in tensors]).norm().item()


def adamw_steps(model, trees, batch, schedule):
    """AdamW steps over `trees` in order, `batch` at a time, going round; changes `model`."""
    references = reference_sums(model, trees)
    parameters = list(trainable(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=schedule["learning_rate"], **ADAMW)
    scheduler = get_scheduler(
        schedule["lr_scheduler"], optimizer, num_warmup_steps=schedule["warmup_steps"],
        num_training_steps=schedule["steps"])
    steps = []
    for step in range(schedule["steps"]):
        chosen = [(step * batch + i) % len(trees) for i in range(batch)]
        optimizer.zero_grad()
        loss = mean_loss(model, [trees[i] for i in chosen], [references[i] for i in chosen])
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
        steps.append({"loss": loss.item(), "grad_norm": grad_norm.item(),
                      "learning_rate": scheduler.get_last_lr()[0]})
        optimizer.step()
        scheduler.step()
    return steps


# --- cases ----------------------------------------------------------------------------------------

def measure(out, case, dtype):
    """All numbers of a case in one precision: (scalars, tensors)."""
    model_directory = os.path.join(out, case["model"])
    adapter_directory = case["adapter"] and os.path.join(out, case["adapter"])
    model, trees = load(model_directory, adapter_directory, dtype), case["trees"]
    scalars, tensors = {"trees": []}, {}
    policies = ["base", "policy"] if case["adapter"] else ["base"]
    for t, tree in enumerate(trees):
        found = {}
        for policy in policies:
            off = adapters_off(model) if policy == "base" else contextlib.nullcontext()
            with torch.no_grad(), off:
                for c, completion in enumerate(tree["completions"]):
                    logps, hidden = token_logps(model, tree["prompt"], completion)
                    found.setdefault(policy, []).append(logps.double().sum())
                    if case["tensors"]:
                        tensors[f"logp/{policy}/{t}/{c}"] = logps
                        if t == 0:
                            tensors[f"hidden/{policy}/{t}/{c}"] = hidden
        entry = {f"{policy}_logps": [s.item() for s in values] for policy, values in found.items()}
        if case["adapter"]:
            d = margin(found["policy"], found["base"])
            entry.update(sigmoid=sigmoid_loss(d).item(), cdpo=cdpo_loss(d).item())
        scalars["trees"].append(entry)
    if not case["adapter"]:
        return scalars, tensors
    for name in ("sigmoid", "cdpo"):
        scalars[name] = sum(e[name] for e in scalars["trees"]) / len(trees)
    found = gradients(model, trees)
    scalars["grad_norm"] = norm(found.values())
    if case["tensors"]:
        tensors.update({f"gradient/{name}": g for name, g in found.items()})
    for run, schedule in case.get("runs", {}).items():
        model = load(model_directory, adapter_directory, dtype)
        scalars.setdefault("runs", {})[run] = adamw_steps(model, trees, schedule["batch"], schedule)
        tensors.update({f"{run}/{name}": p.detach() for name, p in trainable(model).items()})
    return scalars, tensors


def distance(a, b):
    return ((a.double() - b.double()).norm() / b.double().norm()).item()


def float32_distance(out, case, scalars32, tensors32, scalars, tensors):
    """How far plain float32 is from float64: what the tolerances of the tests can be measured against."""
    found = {"logp_per_token": max(
        abs(a - b) / len(tree["completions"][c])
        for tree, e32, e in zip(case["trees"], scalars32["trees"], scalars["trees"])
        for key in e if key.endswith("_logps") for c, (a, b) in enumerate(zip(e32[key], e[key])))}
    module = [distance(tensors32[n], t) for n, t in tensors.items() if n.startswith("gradient/")]
    if module:
        found["gradient_of_module"] = max(module)
    start = {n: p.detach() for n, p in trainable(
        load(os.path.join(out, case["model"]), os.path.join(out, case["adapter"]), torch.float64)).items()
    } if case.get("runs") else {}
    for run, steps in scalars.get("runs", {}).items():
        for key in ("loss", "grad_norm"):
            found[f"{run}_{key}"] = max(
                abs(a[key] - b[key]) / b[key] for a, b in zip(scalars32["runs"][run], steps))
        update = {n: tensors[f"{run}/{n}"] - s for n, s in start.items()}
        error = norm(tensors32[f"{run}/{n}"].double() - tensors[f"{run}/{n}"] for n in start)
        found[f"{run}_update"] = error / norm(update.values())
    return found


def random_tree(generator, vocabulary, prompt, completions):
    def draw(count):
        return torch.randint(0, vocabulary, (count,), generator=generator).tolist()
    return {"prompt": draw(prompt), "completions": [draw(count) for count in completions]}


def tokenized(record, tokenizer):
    """As TRL 1.16's DPOTrainer: completions start where the rendered prompt and the whole part ways."""
    def ids(messages, **options):
        encoded = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)
        return encoded["input_ids"]
    prompt = ids(record["prompt"], add_generation_prompt=True)
    wholes = [ids(record["prompt"] + record[name]) for name in ("chosen", "rejected")]
    start = min(len(os.path.commonprefix([prompt, whole])) for whole in wholes)
    return {"prompt": prompt[:start], "completions": [whole[start:] for whole in wholes]}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "tiny")
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    disable_progress_bar()
    shutil.rmtree(out, ignore_errors=True)
    model, untied, half = (os.path.join(out, n) for n in ("model", "model-untied", "model-half"))
    write_checkpoint(
        model, 1, torch.bfloat16, vocab_size=407, hidden_size=48, intermediate_size=112, num_hidden_layers=3,
        num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-6, tie_word_embeddings=True,
        bos_token_id=400, eos_token_id=402, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    write_tokenizer(model)
    write_checkpoint(
        untied, 2, torch.float32, max_shard_size="120KB",
        vocab_size=301, hidden_size=36, intermediate_size=88, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=10, rms_norm_eps=1e-5,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=1,
        rope_parameters={"rope_type": "default", "rope_theta": 1e4})
    write_checkpoint(
        half, 3, torch.float16, vocab_size=131, hidden_size=24, intermediate_size=56, num_hidden_layers=1,
        num_attention_heads=3, num_key_value_heads=1, rms_norm_eps=1e-6, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=1, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    spell_as_transformers_4(half)
    write_adapter(os.path.join(out, "adapter"), model, 4, r=4, lora_alpha=8, target_modules=ALL_LINEARS)
    write_adapter(
        os.path.join(out, "adapter-qv"), model, 5, r=3, lora_alpha=6, use_rslora=True,
        target_modules=["q_proj", "v_proj"])
    write_adapter(
        os.path.join(out, "adapter-untied"), untied, 6, r=5, lora_alpha=5, target_modules=ALL_LINEARS)

    with open(os.path.join(out, "pairs.jsonl"), "w") as file:
        for pair in tiny_texts.PAIRS:
            file.write(json.dumps(pair, ensure_ascii=False) + "\n")
    tokenizer = AutoTokenizer.from_pretrained(model)

    generator = torch.Generator().manual_seed(7)
    trees = [random_tree(generator, 407, p, cs) for p, cs in ((23, (9, 13)), (1, (7, 23)), (40, (1, 17)))]
    trees[0]["completions"][0][:2] = [0, 406]  # the vocabulary's first and last entry, as targets
    small = [random_tree(generator, 301, p, cs) for p, cs in ((5, (3, 8)), (17, (19, 2)))]
    text = [tokenized(pair, tokenizer) for pair in tiny_texts.PAIRS]
    constant = {"lr_scheduler": "constant", "learning_rate": 1e-2, "warmup_steps": 0, "steps": 5, "batch": 3}
    cases = {
        "all": {"model": "model", "adapter": "adapter", "trees": trees, "tensors": True, "runs": {
            "constant": constant,
            "cosine": {**constant, "lr_scheduler": "cosine", "learning_rate": 2e-3, "warmup_steps": 1}}},
        "qv": {"model": "model", "adapter": "adapter-qv", "trees": trees, "tensors": True},
        "untied": {"model": "model-untied", "adapter": "adapter-untied", "trees": small, "tensors": True},
        "half": {"model": "model-half", "adapter": None, "tensors": True,
                 "trees": [random_tree(generator, 131, 5, (3, 8))]},
        # pairs.jsonl as TRL tokenises it, eight trees in batches of four, so the data goes round
        "text": {"model": "model", "adapter": "adapter", "trees": text, "tensors": False, "runs": {
            "linear": {**constant, "lr_scheduler": "linear", "learning_rate": 1e-3, "batch": 4}}},
    }
    written = {}
    for name, case in cases.items():
        with float64_throughout():
            scalars, tensors = measure(out, case, torch.float64)
        distances = float32_distance(out, case, *measure(out, case, torch.float32), scalars, tensors)
        print(name, "float32 from float64:", {k: f"{v:.1e}" for k, v in distances.items()})
        written.update({f"{name}/{key}": t.float().contiguous() for key, t in tensors.items()})
        for tree, entry in zip(case["trees"], scalars.pop("trees")):
            tree.update(entry)
        for run, steps in scalars.pop("runs", {}).items():
            case["runs"][run]["per_step"] = steps
        del case["tensors"]
        case.update(scalars, float32_distance=distances)
    save_file(written, os.path.join(out, "reference.safetensors"))
    document = {
        "beta": BETA, "label_smoothing": LABEL_SMOOTHING, "max_grad_norm": MAX_GRAD_NORM,
        "adam_betas": ADAMW["betas"], "adam_epsilon": ADAMW["eps"], "weight_decay": ADAMW["weight_decay"],
        "cases": cases}
    json.dump(document, open(os.path.join(out, "cases.json"), "w"))
    for directory, _, files in os.walk(out):
        for file in files:
            os.chmod(os.path.join(directory, file), 0o644)  # safetensors creates private files


if __name__ == "__main__":
    main()
