"""Compares Shoal's parquet reader with pyarrow's, row by row, on generated files of every kind.

Random schemas (nested ones too), values, nulls, encodings, codecs, page versions, sizes of pages and row groups, written by
pyarrow; then files as polars, DuckDB and fastparquet write them, where they are installed; then rows from the middle and
single columns.

usage: parquet_parity.py PARQUET_ROWS [FILES [SEED [DIRECTORY]]]   (needs pyarrow; polars, duckdb, fastparquet if there)
       DIRECTORY has more files, such as a clone of github.com/apache/parquet-testing; those that pyarrow refuses are left out
       PARQUET_ROWS is .build/release/parquet-rows, which `swift build -c release --build-tests` makes
"""
import collections
import datetime
import decimal
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures"))
import parquet_files as fixtures

program = sys.argv[1]
FILES = int(sys.argv[2]) if len(sys.argv) > 2 else 300
rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
CODECS = ["NONE", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4"]
failures = 0
# Of apache/parquet-testing: checksums that pyarrow does not look at, times beyond the range of pyarrow's type, and sizes
# that a writer of 2013 left a header out of.
ON_PURPOSE = ["datapage_v1-corrupt-checksum", "rle-dict-uncompressed-corrupt-checksum", "int96_from_spark",
              "nation.dict-malformed"]


def expected(path):
    """What pyarrow reads; None for what has no JSON form, as `parquet-rows` prints it."""
    def printed(value):
        if isinstance(value, dict):
            return {name: printed(v) for name, v in value.items()}
        if isinstance(value, list):
            return [printed(v) for v in value]
        return None if value == fixtures.UNUSABLE or isinstance(value, float) and not math.isfinite(value) else value
    return [printed(row) for row in fixtures.rows(path)]


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def read(path, *arguments):
    done = subprocess.run([program, path, *arguments], capture_output=True)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def compare(path, what):
    global failures
    try:
        wanted = expected(path)
        found = read(path)
        problem = None
        if len(found) != len(wanted):
            problem = f"{len(found)} rows, expected {len(wanted)}"
        for i, (a, b) in enumerate(zip(found, wanted)):
            if not same(a, b):
                key = next((k for k in b if k not in a or not same(a[k], b[k])), None)
                problem = f"row {i}, {key}: {str(a.get(key))[:300]!r}, expected {str(b.get(key))[:300]!r}"
                break
        if problem is None and wanted:
            start, name = rng.randrange(len(wanted)), rng.choice(list(wanted[0]) or [""])
            if name and "," not in name:
                rest = read(path, "--from", str(start), "--columns", name)
                if not same(rest, [{name: row[name]} for row in wanted[start:]]):
                    problem = f"column {name} from row {start} is another one"
    except (RuntimeError, json.JSONDecodeError) as error:
        problem = str(error)
    if problem:
        failures += 1
        kept = os.path.join(tempfile.gettempdir(), f"parquet-parity-{failures}.parquet")
        subprocess.run(["cp", path, kept])
        print(f"{what}: {problem}\n  {kept}")


# MARK: Random columns

WORDS = ["", "a", "Grüße", "🐟🐟", "the quick brown fox", "\0", "\n\t\"\\", "x" * 300, "日本語のテキスト"]


def text():
    return rng.choice(WORDS) if rng.random() < 0.6 else "".join(
        chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xA0, 0x500), rng.randrange(0x4E00, 0x9000)]))
        for _ in range(rng.randrange(20)))


def integer(bits, signed=True):
    low, high = (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)
    return rng.choice([low, high, 0, 1]) if rng.random() < 0.2 else (
        rng.randint(max(low, -50), min(high, 50)) if rng.random() < 0.5 else rng.randint(low, high))


def real():
    return rng.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1e300]) if rng.random() < 0.1 \
        else rng.uniform(-1e6, 1e6)


def blob(length=None):
    return bytes(rng.randrange(256) if rng.random() < 0.2 else 65 + rng.randrange(5)
                 for _ in range(rng.randrange(12) if length is None else length))


def date():
    return datetime.date(1, 1, 1) + datetime.timedelta(days=rng.randrange(3652059))


def stamp(lo=1800, hi=2200):
    return datetime.datetime(rng.randrange(lo, hi), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24),
                             rng.randrange(60), rng.randrange(60))


def number(precision, scale):
    return decimal.Decimal(rng.choice([-1, 1]) * rng.randrange(10**rng.randrange(1, precision + 1))).scaleb(
        -scale, decimal.Context(prec=80))


def timestamp(unit, zone):
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return pa.timestamp(unit, zone), lambda: rng.choice([0, -1, 1]) if rng.random() < .1 else \
        int(stamp().replace(tzinfo=datetime.timezone.utc).timestamp()) * per + rng.randrange(per)


def scalar():
    p = rng.randrange(1, 39)
    s = rng.choice([0, rng.randrange(p + 1)])
    width = rng.randrange(1, 20)
    return rng.choice([
        lambda: (pa.string(), text), lambda: (pa.string(), text), lambda: (pa.large_string(), text),
        lambda: (pa.string_view(), text), lambda: (pa.binary(), blob),
        lambda: (pa.binary(width), lambda: blob(width)), lambda: (pa.bool_(), lambda: rng.random() < 0.5),
        lambda: (pa.int8(), lambda: integer(8)), lambda: (pa.int16(), lambda: integer(16)),
        lambda: (pa.int32(), lambda: integer(32)), lambda: (pa.int64(), lambda: integer(64)),
        lambda: (pa.uint8(), lambda: integer(8, False)), lambda: (pa.uint16(), lambda: integer(16, False)),
        lambda: (pa.uint32(), lambda: integer(32, False)), lambda: (pa.uint64(), lambda: integer(64, False)),
        lambda: (pa.float16(), lambda: float(rng.randrange(-2000, 2000)) / 8), lambda: (pa.float32(), real),
        lambda: (pa.float64(), real), lambda: (pa.date32(), date),
        lambda: (pa.time32("ms"), lambda: rng.randrange(86400000)), lambda: (pa.time64("us"), lambda: rng.randrange(86400000000)),
        lambda: (pa.time64("ns"), lambda: rng.randrange(86400 * 10**9)),
        lambda: timestamp("ms", None), lambda: timestamp("us", rng.choice([None, "UTC", "Europe/Berlin"])),
        lambda: timestamp("ns", rng.choice([None, "UTC"])), lambda: timestamp("s", None),
        lambda: (pa.decimal128(p, s), lambda: number(p, s)), lambda: (pa.decimal256(p + 38, s), lambda: number(p + 38, s)),
        lambda: (pa.null(), lambda: None),
        lambda: (pa.dictionary(pa.int32(), pa.string()), lambda: rng.choice(WORDS)),
    ])()


def kind(depth=0):
    """A type and what makes a value of it."""
    choice = rng.random()
    if depth == 0 and choice < 0.04:  # pyarrow makes no arrays of these inside others.
        return rng.choice([(pa.uuid(), lambda: blob(16)), (pa.json_(), lambda: json.dumps({"a": text()}))])
    if depth > 3 or choice < 0.55 + 0.1 * depth:
        return scalar()
    if choice < 0.7:
        fields = [(f"f{i}", *kind(depth + 1), rng.random() < 0.2) for i in range(rng.randrange(1, 4))]
        return (pa.struct([pa.field(n, t, nullable=not required or pa.types.is_null(t)) for n, t, _, required in fields]),
                lambda: {n: maybe(t, make, 0 if required else 0.2) for n, t, make, required in fields})
    if choice < 0.9:
        element, make = kind(depth + 1)
        lengths = rng.choice([(0, 3), (0, 1), (1, 2), (0, 12)])
        fixed = rng.random() < 0.15
        type = pa.list_(element, 2) if fixed else (pa.large_list if rng.random() < 0.2 else pa.list_)(element)
        return type, lambda: [maybe(element, make) for _ in range(2 if fixed else rng.randint(*lengths))]
    element, make = kind(depth + 1)
    keys = rng.choice([(pa.string(), lambda i: f"key {i}"), (pa.int32(), lambda i: i)])
    return pa.map_(keys[0], element), lambda: [
        (keys[1](i), maybe(element, make)) for i in range(rng.randrange(4))]


def maybe(type, make, share=0.15):
    return None if rng.random() < share else make()


ENCODINGS = {
    "int": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"], "text": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"],
    "real": ["PLAIN", "BYTE_STREAM_SPLIT"], "fixed": ["PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BYTE_ARRAY"], "bool": ["PLAIN", "RLE"]}
BY_PHYSICAL = {"INT32": "int", "INT64": "int", "BYTE_ARRAY": "text", "FLOAT": "real", "DOUBLE": "real",
               "FIXED_LEN_BYTE_ARRAY": "fixed", "BOOLEAN": "bool"}


def table():
    rows = rng.choice([0, 1, 7, 100, 1000, 3000])
    fields, columns = [], []
    for i in range(rng.randrange(1, 6)):
        type, make = kind()
        share = rng.choice([0, 0.1, 0.5, 0.97])
        nullable = share > 0 or pa.types.is_null(type) or rng.random() < 0.5
        repeats = rng.random() < 0.3
        pool = [maybe(type, make, 0 if not nullable else share) for _ in range(rng.choice([1, 5, 300]))]
        values = [rng.choice(pool) if repeats else maybe(type, make, 0 if not nullable else share) for _ in range(rows)]
        if repeats and rng.random() < 0.5:
            values.sort(key=repr)
        fields.append(pa.field(f"c{i}", type, nullable=nullable))
        columns.append(pa.array(values, type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def write_arrow(path, table):
    """Writes with random options; says which."""
    options = {
        "compression": rng.choice(CODECS), "data_page_version": rng.choice(["1.0", "2.0"]),
        "version": rng.choice(["1.0", "2.4", "2.6"]), "row_group_size": rng.choice([50, 500, 10000]),
        "data_page_size": rng.choice([100, 4000, 1 << 20]), "write_batch_size": rng.choice([10, 1000]),
        "use_compliant_nested_type": rng.random() < 0.8, "write_page_checksum": rng.random() < 0.3,
        "write_page_index": rng.random() < 0.2, "dictionary_pagesize_limit": rng.choice([200, 1 << 20]),
        "store_schema": rng.random() < 0.8}
    if any(pa.types.is_timestamp(field.type) for field in table.schema) and rng.random() < 0.2:
        options["use_deprecated_int96_timestamps"] = True
    if rng.random() < 0.5:
        options["use_dictionary"] = True
    else:
        pq.write_table(table, path)
        schema = pq.ParquetFile(path).schema
        leaves = [schema.column(i) for i in range(len(schema))]
        options["use_dictionary"] = False
        options["column_encoding"] = {
            leaf.path: rng.choice(ENCODINGS[BY_PHYSICAL[leaf.physical_type]]) for leaf in leaves
            if leaf.physical_type in BY_PHYSICAL}
        # Older versions of the format, and names without "element", have other types and paths.
        options |= {"version": "2.6", "use_compliant_nested_type": True}
        options.pop("use_deprecated_int96_timestamps", None)
    pq.write_table(table, path, **options)
    return options


def arrow_files(directory):
    """Files of pyarrow; returns how many it could not write or read itself, by the reason."""
    beyond = collections.Counter()
    for i in range(FILES):
        made = table()
        path = os.path.join(directory, "arrow.parquet")
        try:
            options = write_arrow(path, made)
            expected(path)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            beyond[str(error)[:90].replace("\n", " ")] += 1
            continue
        compare(path, f"arrow {i} {made.schema.types} {options}")
    return beyond


def hub_like(rows):
    """Records as hub data sets have them: chats, ids, scores."""
    return pa.table({
        "prompt": [text() * 3 for _ in range(rows)], "source": [rng.choice(["a", "bb", "ccc"]) for _ in range(rows)],
        "messages": pa.array([[{"content": text() * 5, "role": rng.choice(["user", "assistant"])}
                               for _ in range(rng.randrange(5))] for _ in range(rows)],
                             pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())]))),
        "score": [real() for _ in range(rows)], "id": list(range(rows)),
        "flag": [maybe(None, lambda: rng.random() < 0.5) for _ in range(rows)],
        "when": pa.array([stamp() for _ in range(rows)], pa.timestamp("us")),
        "tags": [maybe(None, lambda: [text() for _ in range(rng.randrange(3))]) for _ in range(rows)]})


def files_of_others(directory):
    path = os.path.join(directory, "other.parquet")
    try:
        import polars
        for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4"]:
            polars.from_arrow(hub_like(3000)).write_parquet(path, compression=codec, row_group_size=700, data_page_size=9000)
            compare(path, f"polars {codec}")
    except ImportError:
        print("polars is not installed")
    try:
        import duckdb
        for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4_raw"]:
            for version in ["V1", "V2"]:
                made = hub_like(5000)
                duckdb.sql(f"copy made to '{path}' (format parquet, codec '{codec}', parquet_version {version}, row_group_size 2048)")
                compare(path, f"duckdb {codec} {version}")
        duckdb.sql(f"""copy (select range as i, range::hugeint as h, uuid() as u, ['a', null, 'b'] as l,
            map {{'x': 1, 'y': range}} as m, {{'a': [[range]], 'b': null::varchar}} as s,
            (range / 7)::decimal(12, 3) as d, date '2024-02-29' + range::int as day, 'x'::blob as b,
            now()::timestamptz as z, ('v' || range % 3)::enum('v0', 'v1', 'v2') as e, range::utinyint as t,
            time '12:34:56.789' as c, '{{}}'::json as j from range(200)) to '{path}' (format parquet)""")
        compare(path, "duckdb types")
    except ImportError:
        print("duckdb is not installed")
    try:
        import fastparquet
        import pandas
        for codec in ["UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4", "LZ4_RAW"]:
            for times in ["int64", "int96"]:
                frame = hub_like(2000).drop_columns(["messages", "tags"]).to_pandas()
                frame["source"] = frame["source"].astype("category")
                fastparquet.write(path, frame, compression=codec, row_group_offsets=500, times=times, write_index=False)
                compare(path, f"fastparquet {codec} {times}")
    except ImportError:
        print("fastparquet is not installed")


def more_files(directory):
    count = 0
    for path in sorted(str(path) for path in pathlib.Path(directory).rglob("*.parquet")):
        if any(name in path for name in ON_PURPOSE):
            continue
        try:
            expected(path)
        except Exception:  # of any kind: these files are there to be difficult
            continue
        count += 1
        compare(path, path)
    print(f"{count} files in {directory}")


with tempfile.TemporaryDirectory() as directory:
    if len(sys.argv) > 4:
        more_files(sys.argv[4])
    files_of_others(directory)
    beyond = arrow_files(directory)
for reason, count in beyond.most_common():
    print(f"{count} files are beyond pyarrow: {reason}")
print(f"{FILES - beyond.total()} files of pyarrow and those of others: {failures} differ")
sys.exit(failures > 0)
