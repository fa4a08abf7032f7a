"""PiSSA, OLoRA and DoRA: fresh starts, five steps of DPO and what is written, beside PEFT.

usage: variants_parity.py SHOAL [NAME …]          (versions: requirements.txt)

On the tiny model of the tests. The other side is PEFT's own module in float64, whose start is made in float32, as PEFT
wants it; the reference of DPO is the original base. A randomised search starts elsewhere with each of the two, so PEFT's
side takes over Shoal's start, and what the start leaves of each weight is compared with torch's searches.

  start        ‖B A − B A of PEFT's start‖ / ‖B A‖, of the worst matrix; DoRA: of the magnitudes
  left         what PiSSA's start leaves of all weights, beyond the least for its rank, relative to that; of a search: beyond
               the mean of ten by torch
  loss, grad_norm, update     five steps; the update of s B A (and the magnitudes) relative to its norm
  log-probs    of PEFT with the written adapter on the original base, against the trained model, per token in nats
  merged       weights that `shoal export` merges, against PEFT's merge_and_unload, relative to the largest

Prints a table; exits 1 when something is beyond its limit.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.update(HF_HUB_OFFLINE="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures")
sys.path.insert(0, FIXTURES)

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file

import tiny_model
from figures import Figures
from transformers.utils.logging import disable_progress_bar

LIMITS = {
    "start": 1e-4, "left": 2e-3, "loss": 1e-3, "grad_norm": 1e-3, "update": 1e-2, "log-probs": 2e-3, "merged": 1e-6}
BASE, PAIRS = (os.path.join(FIXTURES, "tiny", name) for name in ("model", "pairs.jsonl"))
RANK, ALPHA, BATCH, STEPS, RATE, DECAY, SEED = 4, 12, 4, 5, 1e-3, 0.5, 7
# The arguments of LoraConfig, and Shoal's keys.
CASES = {
    "pissa": (dict(init_lora_weights="pissa"), dict(peft_init_lora_weights="pissa")),
    "pissa-rslora": (
        dict(init_lora_weights="pissa", use_rslora=True), dict(peft_init_lora_weights="pissa", peft_use_rslora=True)),
    "pissa_niter_2": (dict(init_lora_weights="pissa_niter_2"), dict(peft_init_lora_weights="pissa_niter_2")),
    "pissa_niter_30": (dict(init_lora_weights="pissa_niter_30"), dict(peft_init_lora_weights="pissa_niter_30")),
    "olora": (dict(init_lora_weights="olora"), dict(peft_init_lora_weights="olora")),
    "olora-lora+": (
        dict(init_lora_weights="olora"), dict(peft_init_lora_weights="olora", loraplus_lr_ratio=4, loraplus_weight_decay=0.3)),
    "dora": (dict(use_dora=True), dict(peft_use_dora=True)),
    "dora-rslora": (dict(use_dora=True, use_rslora=True), dict(peft_use_dora=True, peft_use_rslora=True)),
    "dora-lora+": (dict(use_dora=True), dict(peft_use_dora=True, loraplus_lr_ratio=4, loraplus_weight_decay=0.3)),
}

shoal = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp()
trees = json.load(open(os.path.join(FIXTURES, "tiny", "cases.json")))["cases"]["text"]["trees"]
table = Figures(LIMITS, width=15)
report = table.report


def run(*arguments, launcher=()):
    done = subprocess.run([*launcher, shoal, *arguments], capture_output=True, text=True, cwd=work)
    if done.returncode:
        raise AssertionError(done.stderr[-2000:])


def train(name, keys, ranks=1, **settings):
    """The directory of a run of Shoal."""
    out = os.path.join(work, name)
    entries = {
        "base_model": BASE, "adapter": "lora", "lora_r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0,
        "lora_target_modules": tiny_model.ALL_LINEARS, "rl": "dpo", "rl_beta": tiny_model.BETA, "seed": SEED,
        "datasets": [{"path": PAIRS, "ds_type": "json"}], "micro_batch_size": BATCH, "max_steps": STEPS,
        "learning_rate": RATE, "lr_scheduler": "constant", "weight_decay": DECAY, "max_grad_norm": tiny_model.MAX_GRAD_NORM,
        "shuffle_merged_datasets": False, "curriculum_sampling": True, "output_dir": out, **keys, **settings}
    with open(out + ".yaml", "w") as file:
        file.writelines(f"{key}: {json.dumps(value)}\n" for key, value in entries.items())
    run("train", out + ".yaml", launcher=["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else [])
    return out


def norm(tensors):
    return sum(t.double().square().sum().item() for t in tensors) ** 0.5


def tensors(directory):
    return load_file(os.path.join(directory, "adapter_model.safetensors"))


def halves(found):
    """What is trained and the negative start of a relative adapter."""
    def cut(name, t, half):
        return t[half * RANK:(half + 1) * RANK] if "lora_A" in name else t[:, half * RANK:(half + 1) * RANK]
    return [{n: cut(n, t, half) for n, t in found.items()} for half in (0, 1)]


def products(found):
    return {n: found[n.replace("lora_A", "lora_B")].double() @ a.double() for n, a in found.items() if "lora_A" in n}


def scaling(config):
    return ALPHA / (RANK ** 0.5 if config.get("use_rslora") else RANK)


def base_weight(base, name):
    return base.get_parameter(name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")).detach().double()


def trainable(model):
    """The parameters under the names that PEFT writes."""
    return {n.replace("magnitude_vector.weight", "magnitude_vector"): p for n, p in tiny_model.trainable(model).items()}


def peft_model(config, start):
    """PEFT's model in float64. `start`: replaces what is drawn at random, or found by a random search."""
    base = tiny_model.load(BASE, None, torch.float32)
    own = dict(config)
    searched = "niter" in str(config.get("init_lora_weights"))
    if searched:
        own["init_lora_weights"] = True
    torch.manual_seed(0)
    model = get_peft_model(base, LoraConfig(
        task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules=tiny_model.ALL_LINEARS, **own))
    model = model.double().train()
    places = trainable(model)
    with torch.no_grad():
        if searched or config.get("use_dora"):
            for name, tensor in start.items():
                if "magnitude" not in name:
                    places[name].copy_(tensor)
        if searched:
            for name, product in products(start).items():
                model.get_parameter(name.replace("lora_A.weight", "base_layer.weight")).sub_(scaling(config) * product)
    return model


def least(base, name, config):
    """What the best approximation leaves of a weight, or ten searches of torch's in the mean."""
    weight, _, iterations = base_weight(base, name), *config["init_lora_weights"].rpartition("_niter_")[1:]
    if not iterations.isdigit():
        return torch.linalg.svdvals(weight)[RANK:].norm().item()
    left = []
    for _ in range(10):
        u, values, v = torch.svd_lowrank(weight, RANK, niter=int(iterations))
        left.append((weight - u * values @ v.T).norm().item())
    return sum(left) / len(left)


def adamw(model, keys):
    if "loraplus_lr_ratio" in keys:
        return create_loraplus_optimizer(
            model, torch.optim.AdamW, lr=RATE, betas=(0.9, 0.999), eps=1e-8, loraplus_lr_ratio=keys["loraplus_lr_ratio"],
            loraplus_weight_decay=keys["loraplus_weight_decay"])
    # The trainer's own groups: no name of an adapter's parameter is left out of the decay.
    from transformers import Trainer, TrainingArguments
    arguments = TrainingArguments(
        output_dir=work, learning_rate=RATE, weight_decay=DECAY, report_to=[], use_cpu=True, optim="adamw_torch")
    return Trainer(model=model, args=arguments).create_optimizer()


def steps(model, references, keys):
    optimizer, log = adamw(model, keys), []
    for step in range(STEPS):
        chosen = [(step * BATCH + i) % len(trees) for i in range(BATCH)]
        optimizer.zero_grad()
        loss = tiny_model.mean_loss(model, [trees[i] for i in chosen], [references[i] for i in chosen])
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(list(tiny_model.trainable(model).values()), tiny_model.MAX_GRAD_NORM)
        log.append({"loss": loss.item(), "grad_norm": grad_norm.item()})
        optimizer.step()
    return log


def token_logps(model):
    with torch.no_grad():
        return [tiny_model.token_logps(model, t["prompt"], c)[0] for t in trees for c in t["completions"]]


def compare(name, config, keys):
    is_dora, s = bool(config.get("use_dora")), scaling(config)
    start = tensors(train(f"{name}-start", keys, max_steps=1, learning_rate=1e-30, weight_decay=0))
    if not is_dora:
        start, negative = halves(start)
        assert all(norm([start[n] - (t if "lora_A" in n else -t)]) < 1e-20 for n, t in negative.items())
    outs = [train(f"{name}-{ranks}", keys, ranks) for ranks in (1, 3)]
    hashes = {hashlib.sha256(open(os.path.join(o, "adapter_model.safetensors"), "rb").read()).hexdigest() for o in outs}
    found = tensors(outs[0])
    metrics = [m for m in map(json.loads, open(os.path.join(outs[0], "metrics.jsonl"))) if "loss" in m]
    base = tiny_model.load(BASE, None, torch.float32)
    figures = {}
    if "pissa" in name:
        figures["left"] = sum((base_weight(base, n) - s * p).norm().item() for n, p in products(start).items()) / sum(
            least(base, n, config) for n in products(start)) - 1
    with tiny_model.float64_throughout():
        references = tiny_model.reference_sums(tiny_model.load(BASE, None, torch.float64), trees)
        model = peft_model(config, start)
        places = {n: p.detach().clone() for n, p in trainable(model).items()}
        if is_dora:
            figures["start"] = max(
                norm([start[n] - p]) / norm([p]) for n, p in places.items() if "magnitude" in n)
        else:
            theirs, ours = products(places), products(start)
            figures["start"] = max(norm([ours[n] - t]) / norm([t]) for n, t in theirs.items())
        log = steps(model, references, keys)
        final = {n: p.detach() for n, p in trainable(model).items()}
        trained = halves(found)[0] if not is_dora else found
        before, after, own = products(places), products(final), products(trained)
        # Each relative to its own kind: magnitudes are large beside B A.
        update = norm(own[n] - after[n] for n in after) / norm(after[n] - before[n] for n in after)
        if is_dora:
            names = [n for n in final if "magnitude" in n]
            update = max(update, norm(trained[n] - final[n] for n in names) / norm(final[n] - places[n] for n in names))
        figures["update"] = update
        for key in ("loss", "grad_norm"):
            figures[key] = max(abs(m[key] - l[key]) / abs(l[key]) for m, l in zip(metrics, log, strict=True))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded = PeftModel.from_pretrained(tiny_model.load(BASE, None, torch.float32), outs[0]).double().eval()
        expected, written = token_logps(model.eval()), token_logps(loaded)
        figures["log-probs"] = max((a - b).abs().max().item() for a, b in zip(expected, written))
        figures["PEFT loads it"] = not any("adapter keys" in str(w.message) for w in caught)
    merged = os.path.join(work, f"{name}-merged")
    run("export", "--model", BASE, "--adapter", outs[0], "--format", "merged", "--dtype", "f32", "--out", merged)
    theirs = dict(loaded.merge_and_unload().named_parameters())
    ours = load_file(os.path.join(merged, "model.safetensors"))
    figures["merged"] = max(((ours[n] - p).abs().max() / p.abs().max()).item() for n, p in theirs.items())
    again = os.path.join(work, f"{name}-adapter")
    run("export", "--model", BASE, "--adapter", outs[0], "--format", "adapter", "--out", again)
    rewritten = tensors(again)
    figures["same exported"] = all(torch.equal(rewritten[n], t) for n, t in found.items())
    figures["same bits on 3 ranks"] = len(hashes) == 1
    report(name, **figures)


def main():
    torch.set_num_threads(1)
    disable_progress_bar()
    warnings.simplefilter("ignore")
    print(f"limits: {LIMITS}")
    for name in sys.argv[2:] or CASES:
        compare(name, *CASES[name])
    print(f"{table.failures} failures")
    sys.exit(table.failures > 0)


main()
