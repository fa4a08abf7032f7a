"""Adapters as PEFT saves them in all its ways to select modules, and what PEFT computes with them.

usage: peft_adapters.py [OUT]          (OUT defaults to peft/ beside this file; see requirements.txt)

The base is tiny/model of tiny_model.py. Weights come from a formula that the tests know too (`fill`), so none are kept.

  OUT/adapters.json        of each variant that is read: adapter_config.json as PEFT saved it, the tensors' shapes, and
                           PEFT's log-probs in float64 of the trees of the case "all" in tiny/cases.json, token by token
  OUT/gradient.safetensors of one variant: the gradient of the mean DPO loss, float32 roundings of float64
  OUT/patterns.json        regular expressions and the texts that Python's re.fullmatch finds them to match

`VARIANTS` also serves Tests/Parity/peft_variants.py, which runs the built program on real files.
"""
import json
import os
import random
import re
import signal
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import tiny_model

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = os.path.join(HERE, "tiny", "model")
GRADIENT_OF = "both-patterns"
QV = ["q_proj", "v_proj"]
UNSLOTH = (
    r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?"
    r"(?:k_proj|v_proj|q_proj|o_proj|gate_proj|up_proj|down_proj).*?)|"
    r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\."
    r"(?:(?:k_proj|v_proj|q_proj|o_proj|gate_proj|up_proj|down_proj)))")

# --- variants -------------------------------------------------------------------------------------

LINEARS = tiny_model.ALL_LINEARS
# The arguments of LoraConfig, by name. `names`, `type`, `file`: how the saved weights are changed (see `change`).
READ = {
    "plain": dict(target_modules=LINEARS),
    "rank-names": dict(target_modules=LINEARS, rank_pattern={"q_proj": 8, "down_proj": 2}),
    "both-patterns": dict(
        target_modules=LINEARS,
        rank_pattern={r"layers\.[12]\.mlp\.(gate|up)_proj": 6, "^model.layers.0.self_attn.q_proj": 1},
        alpha_pattern={"model.layers.1.*": 20, "o_proj": 3}),
    "first-pattern-counts": dict(
        target_modules=LINEARS, rank_pattern={"self_attn.v_proj": 5, "v_proj": 2, r"(k|v)_proj": 3, "proj": 7}),
    "rslora-patterns": dict(
        target_modules=LINEARS, use_rslora=True, rank_pattern={"v_proj": 9}, alpha_pattern={"up_proj|o_proj": 5}),
    "same-rank-by-pattern": dict(target_modules=QV, rank_pattern={".*_proj": 6}, alpha_pattern={"[qv]_proj": 3}),
    "some-layers": dict(target_modules=["q_proj", "v_proj", "down_proj"], layers_to_transform=[0, 2]),
    "one-layer": dict(target_modules=LINEARS, layers_to_transform=1),
    "layers-pattern": dict(target_modules=QV, layers_to_transform=[2], layers_pattern="layers"),
    "layers-patterns": dict(target_modules=QV, layers_to_transform=[0, 1], layers_pattern=["h", r"la.{3}s"]),
    "whole-path-beside-layers": dict(
        target_modules=["model.layers.0.mlp.up_proj", "k_proj"], layers_to_transform=[2]),
    "exclude-names": dict(target_modules="all-linear", exclude_modules=["layers.1.mlp.down_proj", "k_proj"]),
    "exclude-pattern": dict(target_modules=LINEARS, exclude_modules=r".*\.(?:0|1)\.mlp\..+"),
    "unsloth": dict(target_modules=UNSLOTH),
    "pattern-of-layers": dict(target_modules=r"model\.layers\.(?:0|2)\.(self_attn\.[qv]_proj|mlp\.up_proj)"),
    "whole-paths": dict(target_modules=["model.layers.1.self_attn.q_proj", "layers.2.mlp.gate_proj", "0.self_attn.o_proj"]),
    "fan-in-fan-out": dict(target_modules=QV, fan_in_fan_out=True),
    "orthogonal": dict(target_modules=QV, init_lora_weights="orthogonal"),
    "bf16": dict(target_modules=LINEARS, type=torch.bfloat16),
    "f16": dict(target_modules=LINEARS, rank_pattern={"mlp": 3}, type=torch.float16),
    "dora": dict(target_modules=LINEARS, use_dora=True, rank_pattern={"v_proj": 2}),
    "biases": dict(target_modules=QV, bias="lora_only"),
    "all-biases": dict(target_modules=LINEARS, bias="all", layers_to_transform=[1]),
    "saved-modules": dict(target_modules=QV, bias="all", modules_to_save=["norm", "lm_head"]),
    "adapter-name": dict(target_modules=LINEARS, names=lambda n: n.replace(".weight", ".default.weight")),
    "no-prefix": dict(target_modules=LINEARS, names=lambda n: n.removeprefix("base_model.model.")),
    "compiled": dict(target_modules=LINEARS, names=lambda n: n.replace("base_model.model.", "base_model.model._orig_mod.", 1)),
    "distributed": dict(target_modules=LINEARS, names=lambda n: "module." + n),
}
# The same, and what the refusal names.
REFUSED = {
    "lora-bias": (dict(target_modules=QV, lora_bias=True), "lora_bias"),
    "pissa": (dict(target_modules=QV, init_lora_weights="pissa"), "init_lora_weights"),
    "replication": (dict(target_modules=QV, layer_replication=[[0, 2], [1, 3]]), "layer_replication"),
    "tokens": (dict(target_modules=QV, trainable_token_indices=[1, 2]), "trainable_token_indices"),
    "head": (dict(target_modules=["q_proj", "lm_head"]), "lm_head"),
    "embedding": (dict(target_modules=["q_proj", "embed_tokens"]), "embed_tokens"),
    "extra": (dict(target_modules=QV, extra={"base_model.model.lm_head.weight": torch.zeros(2, 2)}), "lm_head"),
    "ahead": (dict(target_modules=r"(?!lm_head).*\.q_proj"), "looks ahead"),
}


def fill(model):
    """The formula: of the trained weights in the order of their names, entry by entry."""
    parameters = {n.replace(".modules_to_save.default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for k, name in enumerate(sorted(parameters)):
            i = torch.arange(parameters[name].numel(), dtype=torch.float64)
            values = ((k * 7919 + i * 104729) % 2003) / 2003 - 0.5
            values = 1 + 0.4 * values if "magnitude" in name or "norm" in name else values * (0.4 if "lora_A" in name else 0.2)
            parameters[name].copy_(values.view(parameters[name].shape))


def make(directory, variant):
    """Saves a variant: `directory` as PEFT writes it, and `directory`-changed if its files are changed."""
    variant = dict(variant)
    changes = {key: variant.pop(key) for key in ("names", "type", "extra") if key in variant}
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **variant))
    model.peft_config["default"].base_model_name_or_path = "model"
    fill(model)
    model.save_pretrained(directory, save_embedding_layers=False)
    os.remove(os.path.join(directory, "README.md"))
    path = os.path.join(directory, "adapter_config.json")
    config = json.load(open(path))
    for key in ("target_modules", "exclude_modules"):
        if isinstance(config[key], list):
            config[key].sort()  # PEFT writes a set, in an order that changes from run to run
    # PEFT sorts the patterns too; the order of the file counts when they are read.
    for key in ("rank_pattern", "alpha_pattern"):
        config[key] = variant.get(key, {})
    json.dump(config, open(path, "w"), indent=2)
    weights = os.path.join(directory, "adapter_model.safetensors")
    tensors = load_file(weights)
    if "type" in changes:
        tensors = {n: t.to(changes["type"]) for n, t in tensors.items()}
        save_file(tensors, weights)
    if "names" in changes or "extra" in changes:
        changed = directory + "-changed"
        os.makedirs(changed)
        json.dump(config, open(os.path.join(changed, "adapter_config.json"), "w"), indent=2)
        rename = changes.get("names", lambda n: n)
        tensors = {rename(n): t for n, t in tensors.items()} | changes.get("extra", {})
        save_file(tensors, os.path.join(changed, "adapter_model.safetensors"))
        return changed
    return directory


def log_probs(directory, trees, dtype=torch.float64):
    with torch.no_grad():
        model = tiny_model.load(BASE, directory, dtype).eval()
        return [[tiny_model.token_logps(model, tree["prompt"], c)[0].tolist() for c in tree["completions"]]
                for tree in trees]


# --- patterns -------------------------------------------------------------------------------------

PATHS = [f"model.layers.{n}.{m}" for n in (0, 12) for m in (
    "self_attn", "self_attn.q_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj", "mlp.act_fn",
    "input_layernorm")] + ["model", "model.embed_tokens", "lm_head", "model.norm"]
WRITTEN = [
    UNSLOTH, "q_proj", ".*q_proj", r".*\.(q_proj|v_proj)", r".*\.(?:q_proj|v_proj)$", ".*", "(.*)(self_attn|mlp)(.*)",
    r"^model\.layers\.\d+\.mlp\.(?P<kind>gate|down)_proj\Z", r"model\.layers\.(?:[0-9]|1[0-2])\..*_proj",
    r"\Amodel.*\b[qv]_proj", r".*\Bproj", r"[^.]+", r"[^.]*\.[^.]*", r"(\w+\.){3}\w+", r"(?:\w+\.){2,4}\w+", r"\w{4,}",
    r"[a-z_]+(?:\.[a-z_\d]+)*", r"(?:a|b|lm|lm_)+head", r"lm[]_]head", r"lm[_\-]head", r"[\w.]+", r"\S+", r"(?:)lm_head",
    r"lm_head|", "|lm_head", r"m{1}odel", r"l{,1}m_head", r"lm_head{0}d", r"x*lm_head", r"(x*)*lm_head", r"((l|m)*)*_head",
    r"[l-m]{2}_head", r"lm\x5fhead", r"lm\u005fhead", r"lm_head\Z", r"lm_head$", r"$", "^lm_head", r"lm.head", r"lm\.head",
    r"(?:(?:(?:l?m?)?)?)*_head", r"(?:^|model).*", r"[\d\D]*", r"[^\d]*", r".*?(?:norm|head)??", r"lm_head{", r"lm_head{,",
    r"{lm_head", r"lm_head{1,x}", r".*[.]norm", r"[.\-_a-z]+", r"model(?:\.(?:layers|norm)(?:\.\d+)?)?(?:\.\w+)*", "é*lm_head", "[é-ü]|lm_head",
]
INVALID = [
    "(", ")", "(a", "a)", "[", "[a", "*a", "+", "?", "a**", "a*{2}", "{2}", "a{3,2}", "[b-a]", r"[\d-a]", "(?P<1>a)", "(?P<n>a)(?P<n>b)",
    "\\", r"\q", r"[\q]", r"\x1", r"\u12", "(?", "(?:", "^*", r"\b+", "(?P<n", "(?Pn)", "(?Z:a)", "a|*", r"[\B]", r"\8",
]
UNSUPPORTED = {
    "(?=a)b": "looks ahead", "(?!a)b": "looks ahead", "(?<=a)b": "looks behind", "(?<!a)b": "looks behind", r"(a)\1": "refers back",
    "(?P<n>a)(?P=n)": "refers back", "(?>a)": "atomic", "a*+": "possessive", "(?i)a": "flags", "(?i:a)": "flags",
    "(a)(?(1)b|c)": "condition", "a{40000}": "states", "((a{200}){200}){200}": "states", "(" * 101 + "a" + ")" * 101: "nests",
    "a" * 40000: "bytes",
}


def random_pattern(r, depth=0):
    def item():
        kind = r.random()
        if kind < 0.45 or depth > 3:
            return r.choice(["a", "b", "_", r"\.", ".", "1", "ab", r"\d", r"\w", "[ab]", "[^a]", r"[\d_]", "[a-c.]", r"\W", r"\S"])
        if kind < 0.55:
            return r.choice(["^", "$", r"\b", r"\B", r"\A", r"\Z"])
        opening = r.choice(["(", "(?:", "(?:"])
        return opening + random_pattern(r, depth + 1) + ")"
    branches = []
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        branch = ""
        for _ in range(r.randint(0 if depth else 1, 4)):
            text = item()
            if text[0] not in "^$" and text not in (r"\b", r"\B", r"\A", r"\Z"):
                text += r.choice(["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}?", "{1,}", "{,2}"])
            branch += text
        branches.append(branch)
    return "|".join(branches)


class TooSlow(Exception):
    """Python tries alternatives one after the other, some patterns for years."""


def stop(*_):
    raise TooSlow


def matches(pattern, texts):
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        return [i for i, text in enumerate(texts) if re.fullmatch(pattern, text)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def patterns():
    r = random.Random(7)
    texts = PATHS + sorted({"".join(r.choice("ab_.1") for _ in range(r.randint(1, 7))) for _ in range(60)})
    found = []
    for pattern in WRITTEN + [random_pattern(r) for _ in range(400)]:
        try:
            found.append({"pattern": pattern, "matches": matches(pattern, texts)})
        except TooSlow:
            continue
    for pattern in INVALID:
        try:
            re.compile(pattern)
        except re.error:
            continue
        raise AssertionError(f"Python takes {pattern}")
    for pattern in UNSUPPORTED:
        if "(" * 101 not in pattern:
            re.compile(pattern)
    return {"texts": texts, "patterns": found, "invalid": INVALID,
            "unsupported": [{"pattern": p, "reason": r} for p, r in UNSUPPORTED.items()]}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "peft")
    os.makedirs(out, exist_ok=True)
    torch.set_num_threads(1)
    trees = json.load(open(os.path.join(HERE, "tiny", "cases.json")))["cases"]["all"]["trees"]
    adapters = {}
    with tempfile.TemporaryDirectory() as work, tiny_model.float64_throughout():
        for name, variant in READ.items():
            if "names" in variant:
                continue
            directory = os.path.join(work, name)
            make(directory, variant)
            weights = load_file(os.path.join(directory, "adapter_model.safetensors"))
            adapters[name] = {
                "config": json.load(open(os.path.join(directory, "adapter_config.json"))),
                "type": str(next(iter(weights.values())).dtype).removeprefix("torch."),
                "shapes": {n: list(t.shape) for n, t in sorted(weights.items())},
                "log_probs": [[[round(x, 9) for x in c] for c in t] for t in log_probs(directory, trees)]}
        model = tiny_model.load(BASE, os.path.join(work, GRADIENT_OF), torch.float64)
        gradient = {n: g.float().contiguous() for n, g in tiny_model.gradients(model, trees).items()}
    save_file(gradient, os.path.join(out, "gradient.safetensors"))
    os.chmod(os.path.join(out, "gradient.safetensors"), 0o644)
    # A line for each variant.
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in adapters.items()]
    with open(os.path.join(out, "adapters.json"), "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    with open(os.path.join(out, "patterns.json"), "w") as file:
        json.dump(patterns(), file, ensure_ascii=False)


if __name__ == "__main__":
    main()
