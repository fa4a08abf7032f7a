"""Counts the examples of an axolotl checkout that `shoal config` accepts, and says why it refuses the others.

    python3 Tests/Parity/axolotl_examples.py AXOLOTL_CHECKOUT [--shoal .build/release/shoal] [--model demo/model] [-v]

Only `base_model` is replaced. In scope are dense text decoders with SFT, continued pre-training, DPO, IPO, ORPO, KTO,
SimPO or CPO; what is left out by rule is counted too.
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys

import yaml

# Mixtures of experts, state-space and hybrid layers, images and sound: not dense text decoders.
OTHER_MODELS = re.compile(
    r"mixtral|moe|-a\d+(\.\d+)?b|scout|maverick|deepseek-(v2|v4|coder-v2)|deepseek_v|dbrx|jamba|mamba|falcon-h1|falcon-e|"
    r"granite-?4|nemotron-h|nemotron.*(hybrid|nano|super)|kimi|gpt-oss|qwen3-next|qwen3\.[56]|glm-?4\.|glm46v|glm_moe|minimax|trinity|mimo-v|"
    r"hunyuan-a|vl|vision|llava|pixtral|voxtral|smolvlm|internvl|gemma-?3n|gemma-?4|paddleocr|mistral-small-3|"
    r"mistral-medium|mistral-small-4|ministral-?3|lfm2|laguna|step-3|intern-s1|molmo|ling|bitnet",
    re.IGNORECASE)
# Refused rightly: the tokens are another family's.
TOKENS = re.compile(r"`(special_tokens|tokens|eot_tokens|added_tokens_overrides)\b.*expected (a token of|\")")
KEYS_OF_OTHERS = ("processor_type", "reward_model", "process_reward_model", "diffusion", "use_scattermoe", "llmcompressor")


def out_of_scope(path, config):
    if not isinstance(config, dict) or "base_model" not in config:
        return "no training file"
    if config.get("rl") in ("grpo", "gdpo", "ebft"):
        return f"rl: {config['rl']}"
    for key in KEYS_OF_OTHERS:
        if config.get(key):
            return key
    if OTHER_MODELS.search(f"{path.parent.name} {config['base_model']}"):
        return "another kind of model"
    if "datasets" not in config and "pretraining_dataset" not in config:
        return "no data"
    return None


def problems(text):
    """Each problem without its line and its value."""
    for line in text.splitlines():
        line = line.removeprefix("shoal: ").strip()
        if match := re.match(r"(?:line \d+: |override [^:]*: )?(.*`.*)", line):
            yield re.sub(r"datasets\.\d+", "datasets.N", match[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=pathlib.Path)
    parser.add_argument("--shoal", default=".build/release/shoal")
    parser.add_argument("--model", default="demo/model")
    parser.add_argument("-v", action="store_true", help="every refused file with its problems")
    options = parser.parse_args()
    accepted, lacking, left_out, reasons, refused = 0, 0, collections.Counter(), collections.Counter(), []
    files = sorted(p for p in (options.checkout / "examples").rglob("*") if p.suffix in (".yaml", ".yml"))
    for path in files:
        why = out_of_scope(path, yaml.safe_load(path.read_text()))
        if why:
            left_out[why] += 1
            continue
        done = subprocess.run(
            [options.shoal, "config", str(path), f"base_model={options.model}"], capture_output=True, text=True)
        if done.returncode == 0:
            accepted += 1
            continue
        found = list(problems(done.stderr))
        lacking += all(TOKENS.match(problem) for problem in found)
        reasons.update({re.split(r"(?<=`)[,: ]", reason)[0] + " " + reason[-60:] for reason in found})
        refused.append((path, found))
    print(f"{accepted} of {accepted + len(refused)} accepted, {lacking} more name only tokens that the model lacks; {sum(left_out.values())} out of scope: {dict(left_out)}")
    for reason, count in reasons.most_common():
        print(f"{count:4} {reason}")
    if options.v:
        for path, found in refused:
            print(path.relative_to(options.checkout), *found, sep="\n     ")


if __name__ == "__main__":
    main()
