"""QLoRA of a 7B shape within a memory limit: quantising, then DPO steps, each alone in a limited control group.

usage: small_memory.py --shoal BINARY [--limit 8e9] [--work DIR] [options]

Needs root (control groups v1 or v2) and 20 GB of disk. The limit holds for everything that the process causes: its own
memory, the pages of files that it reads, and what the kernel keeps for it. The files' pages are dropped before each
run, so that each is charged for all that it reads.

Prints for each run: the group's peak (at the limit as soon as the files are larger than it), the peak of anonymous
memory, of mapped files, seconds, major faults (pages read again count) and whether the system killed it; for the steps
also what `--plan` had said in the same group.
"""
import argparse
import contextlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time

import materials
from full_parity import write_entries
from torch_side import read_lines

MIB = 1 << 20
SHAPES = {
    **materials.SHAPES,
    "7b": dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
               num_key_value_heads=4),
}


# --- the checkpoint --------------------------------------------------------------------------------

def tensors(c):
    """Names and shapes of a Qwen2 model, in the hub's order of layers."""
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    narrow = hidden // c["num_attention_heads"] * c["num_key_value_heads"]
    yield "model.embed_tokens.weight", (c["vocab_size"], hidden)
    for layer in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in (("q", hidden), ("k", narrow), ("v", narrow)):
            yield f"{prefix}self_attn.{name}_proj.weight", (rows, hidden)
            yield f"{prefix}self_attn.{name}_proj.bias", (rows,)
        yield f"{prefix}self_attn.o_proj.weight", (hidden, hidden)
        for name in ("gate", "up"):
            yield f"{prefix}mlp.{name}_proj.weight", (inner, hidden)
        yield f"{prefix}mlp.down_proj.weight", (hidden, inner)
        for name in ("input", "post_attention"):
            yield f"{prefix}{name}_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], hidden)


def write_large_checkpoint(out, c, shard_bytes=4_000_000_000):
    """Random bf16 shards, written piece by piece: norms are 1, all else is normal with deviation 0.02."""
    import numpy
    draw = numpy.random.default_rng(0)
    shards, filled = [[]], 0
    for name, shape in tensors(c):
        count = int(numpy.prod(shape))
        if filled and filled + 2 * count > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append((name, shape, count))
        filled += 2 * count
    owner = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, shape, count in shard:
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + 2 * count]}
            offset += 2 * count
            owner[name] = file_name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(out, file_name), "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for name, _, count in shard:
                for start in range(0, count, 8 * MIB):
                    size = min(8 * MIB, count - start)
                    if name.endswith("norm.weight"):
                        numbers = numpy.ones(size, numpy.float32)
                    else:
                        numbers = draw.standard_normal(size, numpy.float32) * numpy.float32(0.02)
                    file.write(((numbers.view(numpy.uint32) + 0x8000) >> 16).astype(numpy.uint16).tobytes())
            os.fsync(file.fileno())
        drop(os.path.join(out, file_name))
    with open(os.path.join(out, "model.safetensors.index.json"), "w") as file:
        json.dump({"metadata": {"total_size": sum(2 * t[2] for s in shards for t in s)}, "weight_map": owner}, file)
    with open(os.path.join(out, "config.json"), "w") as file:
        json.dump({
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
            "hidden_act": "silu", "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
            "use_sliding_window": False, "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645,
            **c}, file, indent=2)


def make_inputs(arguments, work):
    model, pairs = os.path.join(work, "model"), os.path.join(work, "pairs.jsonl")
    if not os.path.exists(os.path.join(model, "tokenizer.json")):
        materials.write_tokenizer(model)
    if not os.path.exists(os.path.join(model, "config.json")):
        write_large_checkpoint(model, {"vocab_size": 152064, "tie_word_embeddings": False,
                                       **SHAPES[arguments.size]})
    if not os.path.exists(pairs):
        # The template of the chat adds what is missing to 1300 + 448 + 300.
        materials.write_pairs(
            pairs, model, arguments.steps, prompt=(1274, 1274), chosen=(446, 446), rejected=(298, 298))
    return model, pairs


def drop(path):
    """Leaves the file's pages to the system, so that whoever reads it next is charged for them."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- the group -------------------------------------------------------------------------------------

class Group:
    """A control group with a limit for all memory; swap gives it no more."""

    def __init__(self, limit):
        self.old = os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")
        self.path = f"/sys/fs/cgroup/{'memory/' if self.old else ''}shoal-{os.getpid()}"
        if not self.old:
            with contextlib.suppress(OSError):
                self.write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")
        os.mkdir(self.path)
        self.set("memory.limit_in_bytes" if self.old else "memory.max", limit)
        with contextlib.suppress(OSError):
            self.set("memory.memsw.limit_in_bytes", limit) if self.old else self.set("memory.swap.max", 0)

    @staticmethod
    def write(path, value):
        with open(path, "w") as file:
            file.write(str(value))

    def set(self, name, value):
        self.write(os.path.join(self.path, name), value)

    def numbers(self, name):
        """The file's lines `name value`."""
        with open(os.path.join(self.path, name)) as file:
            return {key: int(value) for key, value in (line.split() for line in file)}

    def number(self, name):
        with open(os.path.join(self.path, name)) as file:
            return int(file.read())

    def enter(self):
        self.set("cgroup.procs", os.getpid())

    def memory(self):
        """Anonymous memory, and mapped pages of files."""
        stat = self.numbers("memory.stat")
        return (stat["rss"], stat["mapped_file"]) if self.old else (stat["anon"], stat["file_mapped"])

    def result(self):
        return {
            "peak": self.number("memory.max_usage_in_bytes" if self.old else "memory.peak"),
            "faults": self.numbers("memory.stat")["pgmajfault"],
            "killed": self.numbers("memory.oom_control" if self.old else "memory.events")["oom_kill"]}

    def close(self):
        for _ in range(100):
            with contextlib.suppress(OSError):
                return os.rmdir(self.path)
            time.sleep(0.1)


def measured(command, limit, dropped, environment):
    """Runs a command in a group of its own; its output and what it took."""
    for path in dropped:
        drop(path)
    group, start = Group(limit), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=output, stderr=errors, env={**os.environ, **environment}, preexec_fn=group.enter)
        anonymous = mapped = 0
        while process.poll() is None:
            now = group.memory()
            anonymous, mapped = max(anonymous, now[0]), max(mapped, now[1])
            time.sleep(0.1)
        found = {"seconds": time.perf_counter() - start, "anonymous": anonymous, "mapped": mapped,
                 "exit": process.returncode, **group.result()}
        group.close()
        for file in (output, errors):
            file.seek(0)
        return output.read(), errors.read(), found


def show(name, found):
    print(f"{name:<10} exit {found['exit']}, {found['seconds']:.0f} s, group's peak {found['peak'] / 1e9:.2f} GB, "
          f"anonymous {found['anonymous'] / 1e9:.2f} GB, mapped files {found['mapped'] / 1e9:.2f} GB, "
          f"{found['faults']} major faults, killed {found['killed']} times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shoal", required=True, metavar="BINARY")
    parser.add_argument("--limit", type=float, default=8e9, help="bytes; default 8e9")
    parser.add_argument("--work", help="where model, pairs and the 4-bit base stay; default: a temporary directory")
    parser.add_argument("--size", choices=SHAPES, default="7b")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="+", choices=("quantise", "plan", "train"), default=("quantise", "plan", "train"))
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of the configuration")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(arguments.work or scratch)
        os.makedirs(work, exist_ok=True)
        model, pairs = make_inputs(arguments, work)
        cache, out = os.path.join(work, "cache"), os.path.join(work, "run")
        config = write_entries(os.path.join(work, "config.yaml"), {
            "base_model": model, "adapter": "qlora", "load_in_4bit": True, "lora_r": 16, "lora_alpha": 32,
            "lora_target_linear": True, "datasets": [{"path": pairs, "ds_type": "json"}], "rl": "dpo", "rl_beta": 0.1,
            "sequence_len": 4096, "gradient_accumulation_steps": 1, "max_steps": arguments.steps,
            "gradient_checkpointing": "auto", "optimizer": "adamw_torch", "learning_rate": 1e-5, "output_dir": out})
        command = [os.path.abspath(arguments.shoal), "train", config, "--threads", str(arguments.threads), *arguments.set]

        def files():
            folders = [model, os.path.join(cache, "nf4")]
            return [os.path.join(f, name) for f in folders if os.path.isdir(f) for name in os.listdir(f)]

        def run(name, *options):
            output, errors, found = measured(
                command + list(options), int(arguments.limit), files(), {"SHOAL_CACHE": cache})
            show(name, found)
            print(errors[-4000:], flush=True)
            return output, found

        if "quantise" in arguments.only:
            shutil.rmtree(cache, ignore_errors=True)
            run("quantise", "--show-examples", "1")
        planned = None
        if "plan" in arguments.only:
            output, found = run("plan", "--plan")
            if not found["exit"]:
                planned = json.loads(output)
                print(json.dumps({key: planned[key] for key in ("memory", "largest_micro_batch_rows", "predicted_seconds")},
                                 indent=2), flush=True)
        if "train" in arguments.only:
            shutil.rmtree(out, ignore_errors=True)
            _, found = run("train")
            if not found["exit"]:
                log = [entry for entry in read_lines(os.path.join(out, "metrics.jsonl")) if "step_seconds" in entry]
                print("seconds of the steps: " + ", ".join(f"{entry['step_seconds']:.1f}" for entry in log))
                print("losses: " + ", ".join(f"{entry['loss']:.6f}" for entry in log))
            if planned and not found["exit"]:
                for name, key, size in (("private", "private_bytes_per_rank", found["anonymous"]),
                                        ("shared", "shared_bytes", found["mapped"])):
                    plan = planned["memory"][key]
                    print(f"{name}: planned {plan / 1e9:.2f} GB, measured {size / 1e9:.2f} GB, "
                          f"off by {100 * (plan - size) / size:+.1f} %")


if __name__ == "__main__":
    main()
