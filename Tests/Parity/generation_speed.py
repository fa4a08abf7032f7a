"""How near `shoal generate` is to the machine's limits: sgemm for prompts, memory for decoding.

Bandwidth is what as many threads read of the weights' file from the page cache, measured before and after every
decoding run; sgemm's rate is that of `shoal bench` on the layers' shapes, with as many rows as the prompt has, before
and after every prompt. Prints medians, least and most.

usage: generation_speed.py SHOAL_BINARY MODEL_DIR [--threads 2] [--rounds 5] [--prompts 768,2048] [--bits 16,4]
       generation_speed.py SHOAL_BINARY MODEL_DIR --long 16000     (that prompt alone: seconds, tokens/s, memory)
Needs a C compiler, and weights in one file. (Shoal's cache must be warm for 4 bits: the first run of each kind does
not count.)
"""
import argparse
import json
import os
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile

READER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
typedef long wide __attribute__((vector_size(64), aligned(8)));
static const char *base;
static size_t size;
static long threads;
static void *reader(void *argument) {
  long thread = (long)argument;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(thread, &set);
  sched_setaffinity(0, sizeof set, &set);
  wide sum[4] = {{0}};
  const wide *at = (const wide *)(base + size / threads * thread / 256 * 256);
  for (size_t i = 0; i + 4 <= size / threads / 64; i += 4)
    for (int j = 0; j < 4; j++) sum[j] += at[i + j];
  return (void *)(sum[0] + sum[1] + sum[2] + sum[3])[0];
}
static int rising(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : 1; }
int main(int count, char **arguments) {
  struct stat info;
  struct timespec start, end;
  int file = open(arguments[1], O_RDONLY);
  threads = atol(arguments[2]);
  fstat(file, &info);
  size = (size_t)info.st_size / 4096 * 4096;
  base = mmap(0, size, PROT_READ, MAP_SHARED, file, 0);
  double rates[9];
  for (int round = -1; round < 9; round++) {
    pthread_t all[256];
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long t = 0; t < threads; t++) pthread_create(all + t, 0, reader, (void *)t);
    for (long t = 0; t < threads; t++) pthread_join(all[t], 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = end.tv_sec - start.tv_sec + 1e-9 * (end.tv_nsec - start.tv_nsec);
    if (round >= 0) rates[round] = size / seconds;
  }
  qsort(rates, 9, sizeof *rates, rising);
  printf("%.0f\n", rates[4]);
}
"""


class Model:
    def __init__(self, directory):
        self.directory = directory
        self.file = os.path.join(directory, "model.safetensors")
        self.config = json.load(open(os.path.join(directory, "config.json")))
        with open(self.file, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            tensors = json.loads(file.read(length))
        self.entries, self.bytes = {}, {}
        for name, tensor in tensors.items():
            if name != "__metadata__":
                start, end = tensor["data_offsets"]
                self.bytes[name], self.entries[name] = end - start, (end - start) // (4 if tensor["dtype"] == "F32" else 2)

    def bytes_of_token(self, bits):
        """What is read for a token: all weights once, of an untied embedding one row."""
        total = 0
        for name, size in self.bytes.items():
            if "embed_tokens" in name and not self.config["tie_word_embeddings"]:
                continue
            linear = bits == 4 and name.endswith("_proj.weight")
            total += self.entries[name] * (0.5 + 1 / 64 + 4 / 16384) if linear else size
        return total

    def operations_of_prompt(self, n):
        """The least that a prompt of n tokens needs: the last layer's queries and all after them for one row only."""
        c = self.config
        layers, heads, hidden = c["num_hidden_layers"], c["num_attention_heads"], c["hidden_size"]
        width = heads * (c.get("head_dim") or hidden // heads)
        kinds = {kind: self.entries[f"model.layers.0.{kind}_proj.weight"] for kind in (
            "self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")}
        key_value = kinds["self_attn.k"] + kinds["self_attn.v"]
        rest = sum(kinds.values()) - key_value
        linears = 2 * (n * layers * key_value + (n * (layers - 1) + 1) * rest)
        attention = 4 * width * (n * (n + 1) / 2 * (layers - 1) + n)
        return linears + attention + 2 * hidden * c["vocab_size"]


def spread(values, scale=1.0, digits=1):
    median, least, most = (f(values) * scale for f in (statistics.median, min, max))
    return f"{median:.{digits}f} ({least:.{digits}f}–{most:.{digits}f})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompts", default="768,2048")
    parser.add_argument("--bits", default="16,4")
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--long", type=int)
    options = parser.parse_args()
    model, seeded = Model(options.model), random.Random(1)

    def words(tokens):
        # Each of these words is one token, by itself and after a space.
        return " ".join(seeded.choice(["sea", "fish", "the", "and", "net", "stone"]) for _ in range(tokens))

    def generate(scratch, tokens, new, *flags):
        path = os.path.join(scratch, "messages.json")
        json.dump([{"role": "user", "content": words(tokens)}], open(path, "w"))
        command = [options.shoal, "generate", "--model", model.directory, "--messages", path, "--greedy", "--json",
                   "--max-new-tokens", str(new), "--threads", str(options.threads), *flags]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    with tempfile.TemporaryDirectory() as scratch:
        if options.long:
            answer = generate(scratch, options.long, options.new)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            seconds = answer["prompt_tokens"] / answer["prompt_tokens_per_second"]
            print(f"{answer['prompt_tokens']} tokens: {seconds:.1f} s, {answer['prompt_tokens_per_second']:.1f} tokens/s; "
                  f"then {len(answer['ids'])} at {answer['tokens_per_second']:.1f} tokens/s; "
                  f"at most {peak * 1024e-9:.2f} GB resident, mapped weights included")
            return

        reader = os.path.join(scratch, "reader")
        with open(reader + ".c", "w") as file:
            file.write(READER)
        subprocess.run(["cc", "-O3", "-march=native", reader + ".c", "-o", reader, "-lpthread"], check=True)

        def bandwidth():
            return float(subprocess.run([reader, model.file, str(options.threads)], check=True, capture_output=True).stdout)

        def sgemm(rows):
            shape = ["--prompt", str(rows - 32), "--chosen", "16", "--rejected", "16", "--rounds", "1"]
            command = [options.shoal, "bench", "--json", "--threads", str(options.threads), *shape,
                       "--model", model.directory]
            result = subprocess.run(command, check=True, capture_output=True)
            return json.loads(result.stdout)["sgemm_flops"]["median"]

        for bits in map(int, options.bits.split(",")):
            flags = ["--load-in-4bit"] if bits == 4 else []
            generate(scratch, 8, 2, *flags)
            reads, rates = [bandwidth()], []
            for _ in range(options.rounds):
                rates.append(generate(scratch, 8, options.new, *flags)["tokens_per_second"])
                reads.append(bandwidth())
            size = model.bytes_of_token(bits)
            shares = [100 * rate * size / max(a, b) for rate, a, b in zip(rates, reads, reads[1:])]
            print(f"decoding, {bits} bits: {spread(rates)} tokens/s, {spread(rates, size * 1e-9)} GB/s of weights; "
                  f"reading alone {spread(reads, 1e-9)} GB/s; share {spread(shares)} %", flush=True)
        for tokens in map(int, options.prompts.split(",")):
            generate(scratch, tokens, 1)
            limits, rates = [sgemm(tokens)], []
            for _ in range(options.rounds):
                answer = generate(scratch, tokens, 1)
                count = answer["prompt_tokens"]
                rates.append(model.operations_of_prompt(count) * answer["prompt_tokens_per_second"] / count)
                limits.append(sgemm(tokens))
            shares = [100 * rate / max(a, b) for rate, a, b in zip(rates, limits, limits[1:])]
            seconds = [model.operations_of_prompt(count) / rate for rate in rates]
            print(f"prompt of {count} tokens: {spread(seconds, digits=2)} s, {spread(rates, 1e-9, 0)} GF/s; "
                  f"sgemm {spread(limits, 1e-9, 0)} GF/s; share {spread(shares)} %", flush=True)


if __name__ == "__main__":
    sys.exit(main())
