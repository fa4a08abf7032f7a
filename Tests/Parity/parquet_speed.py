"""Measures reading parquet files into records: Shoal's reader beside pyarrow's to_pylist, on one core, on the same files.

Decoded text per second of processor time, the best of several runs in turns; peak resident memory of Shoal's.

usage: parquet_speed.py PARQUET_ROWS [MEGABYTES]         (needs pyarrow)
       PARQUET_ROWS is .build/release/parquet-rows, which `swift build -c release --build-tests` makes
"""
import json
import os
import random
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

program = sys.argv[1]
MEGABYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
RUNS = 3
rng = random.Random(1)
WORDS = [w for w in (
    "the of and to a in is it you that he was for on are with as I his they be at one have this from or had by hot but "
    "some what there we can out other were all your when up use word how said an each she which do their time if will "
    "way about many then them would write like so these her long make thing see him two has look more day could go come "
    "Grüße naïve 日本語 🐟").split()]


def text(length):
    return " ".join(rng.choices(WORDS, k=max(1, length // 5)))


def pairs(count):
    pool = [text(1200) for _ in range(3000)]
    return pa.table({"prompt": rng.choices(pool, k=count), "chosen": [p[7:] for p in rng.choices(pool, k=count)],
                     "rejected": [p[11:] for p in rng.choices(pool, k=count)]})


def chats(count):
    pool = [text(500) for _ in range(3000)]
    return pa.table({"messages": pa.array(
        [[{"content": rng.choice(pool)[i:], "role": ["user", "assistant"][i % 2]} for i in range(6)] for _ in range(count)],
        pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())])))})


def short(count):
    pool = [text(25) for _ in range(20000)]
    return pa.table({"question": rng.choices(pool, k=count), "answer": [p[2:] + "." for p in rng.choices(pool, k=count)],
                     "kind": rng.choices(["a", "b", "c"], k=count)})


def shoal(path):
    done = subprocess.run(["taskset", "-c", "0", program, path, "--time"], capture_output=True, check=True)
    return json.loads(done.stdout)


def pyarrow(path):
    """In a process of its own, on one core: from the file to Python's records, a thousand at a time."""
    code = f"""
import time, pyarrow as pa, pyarrow.parquet as pq
pa.set_cpu_count(1); pa.set_io_thread_count(1)
start = time.process_time()
for batch in pq.ParquetFile({path!r}).iter_batches(1000, use_threads=False): batch.to_pylist()
print(time.process_time() - start)"""
    return float(subprocess.run(["taskset", "-c", "0", sys.executable, "-c", code], capture_output=True, check=True).stdout)


print(f"pyarrow {pa.__version__}, {MEGABYTES} MB of text per file, the best of {RUNS}, one core\n")
print("| file | encoding | codec | Shoal MB/s | pyarrow MB/s | file MB | peak MB |\n|---|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "a.parquet")
    for name, make, row in [("pairs", pairs, 3400), ("chats", chats, 3100), ("short texts", short, 50)]:
        table = make(MEGABYTES * 1000000 // row)
        for encoding, options in [("dictionary", {}), ("plain", {"use_dictionary": False})]:
            for codec in ["snappy", "zstd"]:
                pq.write_table(table, path, compression=codec, row_group_size=10000, **options)
                results = [(shoal(path), pyarrow(path)) for _ in range(RUNS)]
                ours = max((r["bytes"] / r["seconds"] / 1e6, r["peak"]) for r, _ in results)
                theirs = results[0][0]["bytes"] / min(seconds for _, seconds in results) / 1e6
                print(f"| {name} | {encoding} | {codec} | {ours[0]:.0f} | {theirs:.0f} | "
                      f"{os.path.getsize(path) / 1e6:.0f} | {ours[1] / 1e3:.0f} |", flush=True)
