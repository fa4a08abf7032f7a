"""Parquet files of every encoding, codec, version, nesting and type, and the rows that pyarrow reads from them.

usage: parquet_files.py [OUT]          (OUT defaults to parquet/ beside this file)
needs: pyarrow==26.0.1

  OUT/*.parquet      files that are read; those of parquet_thrift.py are in forms that pyarrow does not write
  OUT/*.bin          parquet files of a few kB that are not in rows.json: long.bin has a hundred texts of 1 MiB, large.bin one of
                     17 MiB, numbers.bin lists of 1536 numbers
  OUT/bad/*.parquet  files, or columns "bad" beside a sound column "good", that are refused
  OUT/rows.json      `files`: the rows of each file, or the name of another file that has the same rows;
                     `bad`: a part of the error of each file that is refused

Half of a surrogate pair stands for what has no JSON form. `as_json` also serves Tests/Parity/parquet_parity.py.
"""
import datetime
import decimal
import json
import math
import os
import struct
import sys
import uuid
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

import parquet_thrift as by_hand
from parquet_thrift import OPTIONAL, REPEATED, REQUIRED, chunk, element, page, page2, runs, texts, thrift

UNUSABLE = "\ud800"


# MARK: What a value is as JSON

def fraction(microsecond, nanosecond=0):
    if not microsecond and not nanosecond:
        return ""
    return f".{microsecond:06}{nanosecond:03}" if nanosecond else f".{microsecond:06}"


def clock(ns):
    seconds, rest = divmod(ns, 10**9)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + fraction(rest // 1000, rest % 1000)


def instant(value, unit, zone):
    """A timestamp's number as Python's isoformat, which Python itself has no value for below microseconds."""
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(value, per)
    day, second = divmod(seconds, 86400)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return f"{date.isoformat()}T{clock(second * 10**9 + rest * (10**9 // per))}" + ("+00:00" if zone else "")


def as_json(value, type):
    """What Shoal makes of a value that `to_pylist` gives; times are numbers, see `numbered`."""
    if value is None or pa.types.is_null(type):
        return None
    if isinstance(type, pa.BaseExtensionType):
        if type.extension_name == "arrow.uuid":
            return str(value if isinstance(value, uuid.UUID) else uuid.UUID(bytes=value))
        return as_json(value, type.storage_type)
    if pa.types.is_dictionary(type):
        return as_json(value, type.value_type)
    if pa.types.is_struct(type):
        return {field.name: as_json(value[field.name], field.type) for field in type}
    if pa.types.is_map(type):
        pairs = [[as_json(k, type.key_type), as_json(v, type.item_type)] for k, v in value]
        if not pa.types.is_string(type.key_type):
            return pairs
        found = {}
        for key, item in pairs:
            found[key] = UNUSABLE if key in found else item
        return found
    if pa.types.is_nested(type):
        return [as_json(element, type.value_type) for element in value]
    if pa.types.is_timestamp(type):
        return instant(value, type.unit, type.tz)
    if pa.types.is_time(type):
        return clock(value * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[type.unit])
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return UNUSABLE
    if isinstance(value, decimal.Decimal):
        return int(value) if type.scale == 0 and -2**63 <= value < 2**63 else float(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and not -2**63 <= value < 2**63:
        return float(value)
    return value


def numbered(type):
    """The type with numbers for times: Python has no times of nanoseconds."""
    if pa.types.is_timestamp(type) or pa.types.is_time64(type):
        return pa.int64()
    if pa.types.is_time32(type):
        return pa.int32()
    if pa.types.is_struct(type):
        return pa.struct([field.with_type(numbered(field.type)) for field in type])
    if pa.types.is_map(type):
        return pa.map_(numbered(type.key_type), numbered(type.item_type))
    if pa.types.is_fixed_size_list(type):
        return pa.list_(numbered(type.value_type), type.list_size)
    if pa.types.is_large_list(type):
        return pa.large_list(numbered(type.value_type))
    return pa.list_(numbered(type.value_type)) if pa.types.is_list(type) else type


def rows(path):
    """A file's rows as pyarrow reads them."""
    table = pq.ParquetFile(path).read()
    columns = []
    for column in table.columns:
        plain = numbered(column.type)
        values = (column if plain == column.type else column.cast(plain)).to_pylist()
        columns.append([as_json(value, column.type) for value in values])
    return [dict(zip(table.column_names, row)) for row in zip(*columns)] if columns else [{}] * table.num_rows


# MARK: Tables

def flat():
    """Values of every type, and a null of each."""
    utc = datetime.timezone.utc
    moments = [datetime.datetime(2024, 2, 29, 12, 34, 56, 789000), datetime.datetime(1969, 12, 31, 23, 59, 59, 1000), None]
    columns = {
        "text": (pa.string(), ["Grüße 🐟", "", None]), "large": (pa.large_string(), ["a\0b", "\n", None]),
        "bytes": (pa.binary(), [b"text", b"\xff\xfe", None]), "fixed": (pa.binary(4), [b"abcd", b"\x80\0\0\0", None]),
        "bool": (pa.bool_(), [True, False, None]), "int8": (pa.int8(), [-128, 127, None]),
        "int16": (pa.int16(), [-2**15, 2**15 - 1, None]), "int32": (pa.int32(), [-2**31, 2**31 - 1, None]),
        "int64": (pa.int64(), [-2**63, 2**63 - 1, None]), "uint8": (pa.uint8(), [0, 255, None]),
        "uint16": (pa.uint16(), [0, 2**16 - 1, None]), "uint32": (pa.uint32(), [1, 2**32 - 1, None]),
        "uint64": (pa.uint64(), [2**63 - 1, 2**64 - 1, None]), "half": (pa.float16(), [-1.5, math.inf, None]),
        "float": (pa.float32(), [0.1, math.nan, None]), "double": (pa.float64(), [-0.0, 5e-324, None]),
        "date": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
        "clock-ms": (pa.time32("ms"), [0, 86399999, None]), "clock-us": (pa.time64("us"), [1, 3600000000, None]),
        "clock-ns": (pa.time64("ns"), [1, 3600000001000, None]), "ms": (pa.timestamp("ms"), moments),
        "us": (pa.timestamp("us"), moments), "ns": (pa.timestamp("ns"), [1, -1, None]),
        "utc": (pa.timestamp("us", "UTC"), [m and m.replace(tzinfo=utc) for m in moments]),
        "berlin": (pa.timestamp("ms", "Europe/Berlin"), [m and m.replace(tzinfo=utc) for m in moments]),
        "decimal": (pa.decimal128(9, 2), [decimal.Decimal("-1234567.89"), decimal.Decimal("0.10"), None]),
        "whole": (pa.decimal128(18, 0), [decimal.Decimal(-5), decimal.Decimal(10**17), None]),
        "wide": (pa.decimal128(38, 10), [decimal.Decimal(-10**27), decimal.Decimal("0.0000000001"), None]),
        "widest": (pa.decimal256(76, 0), [decimal.Decimal("-1" + "0" * 75), decimal.Decimal(0), None]),
        "nothing": (pa.null(), [None, None, None]), "uuid": (pa.uuid(), [bytes(range(16)), b"\xff" * 16, None]),
        "json": (pa.json_(), ['{"a": 1}', "[]", None]),
        "words": (pa.dictionary(pa.int8(), pa.string()), ["one", "two", None])}
    return pa.table({name: pa.array(values, type) for name, (type, values) in columns.items()})


def nested():
    """Absent values and empty lists at every level."""
    message = pa.struct([("content", pa.string()), pa.field("role", pa.string(), nullable=False)])
    hi, no = {"content": "hi", "role": "user"}, {"content": None, "role": "assistant"}
    columns = {
        "messages": (pa.list_(message), [[hi, no, hi], [], None, [None, hi], [no]]),
        "lists": (pa.list_(pa.list_(pa.int32())), [[[1, 2], [], None, [None]], [], None, [[]], [[3], [4, 5, 6]]]),
        "required": (pa.list_(pa.field("item", pa.int64(), nullable=False)), [[1], [2, 3], [], [4], None]),
        "deep": (pa.struct([("a", pa.struct([("b", pa.list_(pa.struct([("c", pa.list_(pa.bool_()))])))]))]),
                 [{"a": {"b": [{"c": [True, None]}, {"c": []}, {"c": None}, None]}}, {"a": {"b": []}}, {"a": {"b": None}},
                  {"a": None}, None]),
        "map": (pa.map_(pa.string(), pa.float64()), [[("x", 1.5), ("y", None)], [], None, [("x", 1), ("x", 2)], [("", 0)]]),
        "numbers": (pa.map_(pa.int32(), pa.list_(pa.string())), [[(1, ["a"]), (2, None)], [], None, [(3, [])], [(4, [None])]]),
        "large": (pa.large_list(pa.large_string()), [["a"], [], None, [None], ["b", "c"]]),
        "pair": (pa.list_(pa.int8(), 2), [[1, 2], [3, None], [5, 6], [7, 8], [9, 10]]),
        "flat": (pa.int32(), [1, 2, 3, 4, 5])}
    return pa.table({name: pa.array(values, type) for name, (type, values) in columns.items()})


def many():
    """Enough rows for several pages and row groups."""
    words = ["", "one", "two two", "Grüße", "three three three", "two two three"]
    count = 300
    return pa.table({
        "text": [words[i * i % 6] + str(i // 7) for i in range(count)],
        "choice": [words[i * i * i % 5] for i in range(count)],
        "number": pa.array([None if i % 11 == 3 else (i * 7919) % 1000 - 500 for i in range(count)], pa.int32()),
        "long": [i**5 * (-1)**i for i in range(count)],
        "real": [i / 7 for i in range(count)], "single": pa.array([i / 3 for i in range(count)], pa.float32()),
        "flag": pa.array([None if i % 13 == 5 else i // 9 % 2 == 0 for i in range(count)]),
        "fixed": pa.array([f"{i * i % 50:05}".encode() for i in range(count)], pa.binary(5)),
        "list": pa.array([None if i % 10 == 9 else [words[(i + k) % 6] for k in range(i % 4)] for i in range(count)])})


def files(out):
    """Writes the files that are read; returns the files whose rows are those of another."""
    def write(name, table, **options):
        pq.write_table(table, os.path.join(out, name + ".parquet"), **options)

    same = {}
    small = {"row_group_size": 70, "data_page_size": 200, "write_batch_size": 20}
    write("flat", flat(), use_dictionary=False)
    write("flat-2", flat(), data_page_version="2.0", compression="zstd", write_page_checksum=True)
    same["flat-2"] = "flat"
    write("flat-old", flat().select(["us", "utc", "ns", "text", "int32"]), use_deprecated_int96_timestamps=True, version="1.0")
    write("nested", nested(), row_group_size=3, data_page_size=1, write_batch_size=1)
    write("nested-2", nested(), data_page_version="2.0", use_dictionary=False, store_schema=False, compression="none")
    write("nested-old", nested(), use_compliant_nested_type=False, write_page_checksum=True)
    same |= {"nested-2": "nested", "nested-old": "nested"}
    write("many", many(), **small)
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        name = f"many-{codec}"
        write(name, many(), compression=codec, data_page_version="2.0" if codec in ["gzip", "zstd"] else "1.0",
              row_group_size=170, dictionary_pagesize_limit=100 if codec == "brotli" else 1 << 20,
              write_page_checksum=codec == "lz4")
        same[name] = "many"
    for number, (text, integer, real, flag, fixed) in enumerate([
            ("DELTA_BYTE_ARRAY", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "RLE", "DELTA_BYTE_ARRAY"),
            ("DELTA_LENGTH_BYTE_ARRAY", "BYTE_STREAM_SPLIT", "PLAIN", "PLAIN", "BYTE_STREAM_SPLIT")]):
        for version in ["1.0", "2.0"]:
            name = f"many-encodings-{number + 1}-{version[0]}"
            write(name, many(), use_dictionary=False, data_page_version=version, **small, column_encoding={
                "text": text, "choice": text, "number": integer, "long": integer, "real": real, "single": real, "flag": flag,
                "fixed": fixed, "list.list.element": text})
            same[name] = "many"
    few = {"write_statistics": False, "store_schema": False}
    write("few", many()[:12], compression="none", **few)
    for name, codec, encodings in [("few-delta", "snappy", ("DELTA_BYTE_ARRAY", "DELTA_BINARY_PACKED")),
                                   ("few-lengths", "zstd", ("DELTA_LENGTH_BYTE_ARRAY", "BYTE_STREAM_SPLIT")),
                                   ("few-gzip", "gzip", ("PLAIN", "PLAIN")), ("few-brotli", "brotli", ("PLAIN", "PLAIN"))]:
        write(name, many()[:12], compression=codec, use_dictionary=False, data_page_version="2.0", **few, column_encoding={
            "text": encodings[0], "choice": encodings[0], "fixed": encodings[0].replace("LENGTH_", ""), "number": encodings[1],
            "long": encodings[1], "real": "BYTE_STREAM_SPLIT", "flag": "RLE", "list.list.element": encodings[0]})
        same[name] = "few"
    write("empty", many()[:0])
    pq.write_table(pa.table({"text": ["a" * (1 << 20) + str(i) for i in range(100)]}), os.path.join(out, "long.bin"), **few,
                   compression="zstd", use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    pq.write_table(pa.table({"text": ["short", "a" * (17 << 20)]}), os.path.join(out, "large.bin"), **few, compression="zstd",
                   use_dictionary=False)
    pq.write_table(pa.table({"numbers": [[0.5, None] * 768] * 1000}), os.path.join(out, "numbers.bin"), **few, compression="zstd")
    write("no-columns", pa.table({"a": [1, 2, 3]}).select([]))
    return same


# MARK: Files byte by byte

def bit_packed(levels, width):
    """The old form of levels: the highest bit first."""
    bits = "".join(f"{level:0{width}b}" for level in levels)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


def old_files(out):
    """Forms of older writers."""
    def write(name, schema, groups, **options):
        by_hand.write(os.path.join(out, name + ".parquet"), schema, groups, **options)

    lists = [("root", element("bare", REPEATED, "int32")),
             ("root", element("two", OPTIONAL, children=1, converted=3)), element("element", REPEATED, "bytes", converted=0),
             ("root", element("array", OPTIONAL, children=1, converted=3)), element("array", REPEATED, children=1),
             element("x", OPTIONAL, "int32"),
             ("root", element("tuple", REQUIRED, children=1, converted=3)), element("tuple_tuple", REPEATED, children=1),
             element("x", REQUIRED, "int32"),
             ("root", element("wide", OPTIONAL, children=1, converted=3)), element("bag", REPEATED, children=2),
             element("x", REQUIRED, "int32"), element("y", OPTIONAL, "int32"),
             ("root", element("map", OPTIONAL, children=1, converted=2)), element("map", REPEATED, children=2),
             element("key", REQUIRED, "bytes", converted=0), element("value", OPTIONAL, "int32"),
             ("root", element("set", OPTIONAL, children=1, converted=1)), element("key_value", REPEATED, children=1),
             element("key", REQUIRED, "int32")]
    number = lambda *values: struct.pack(f"<{len(values)}i", *values)
    # Three rows: two elements, none, one.
    repetitions = runs([0, 1, 0, 0])
    write("old-lists", lists, rows=0, groups=[(3, [
        chunk([page(repetitions + runs([1, 1, 0, 1]) + number(1, 2, 3), 4)], 4, "int32", "bare"),
        chunk([page(repetitions + runs([2, 2, 0, 2]) + texts("a", "b", "c"), 4)], 4, "bytes", "two.element"),
        chunk([page(repetitions + runs([3, 2, 1, 3]) + number(4, 5), 4)], 4, "int32", "array.array.x"),
        chunk([page(repetitions + runs([1, 1, 0, 1]) + number(6, 7, 8), 4)], 4, "int32", "tuple.tuple_tuple.x"),
        chunk([page(repetitions + runs([2, 2, 1, 2]) + number(9, 10, 11), 4)], 4, "int32", "wide.bag.x"),
        chunk([page(repetitions + runs([3, 2, 1, 3]) + number(12, 13), 4)], 4, "int32", "wide.bag.y"),
        chunk([page(repetitions + runs([2, 2, 1, 2]) + texts("k", "l", "m"), 4)], 4, "bytes", "map.map.key"),
        chunk([page(repetitions + runs([3, 3, 1, 2]) + number(14, 15), 4)], 4, "int32", "map.map.value"),
        chunk([page(repetitions + runs([2, 2, 1, 2]) + number(16, 17, 18), 4)], 4, "int32", "set.key_value.key")])])

    levels = [1, 0, 1, 1, 0, 1, 1, 1, 0, 1]
    content = bit_packed(levels, 1) + number(*range(7))
    write("old-levels", [("root", element("a", OPTIONAL, "int32"))],
          [(10, [chunk([page(content, 10, levels=(4, 3))], 10, "int32", "a")])])

    content = texts(*(f"text {i}" for i in range(50)))
    raw = pa.compress(content, "lz4_raw", asbytes=True)
    blocks = struct.pack(">II", len(content), len(raw)) + raw
    half = content[:len(content) // 2], content[len(content) // 2:]
    split = b"".join(struct.pack(">II", len(h), len(r)) + r for h, r in ((h, pa.compress(h, "lz4_raw", asbytes=True)) for h in half))
    write("old-lz4", [("root", element(name, REQUIRED, "bytes", converted=0)) for name in ["hadoop", "split", "raw"]],
          [(50, [chunk([page(content, 50, compressed=c)], 50, "bytes", name, codec=5)
                 for name, c in [("hadoop", blocks), ("split", split), ("raw", raw)]])])

    # A dictionary with indices in both kinds of runs, an index page before it all, and an interval.
    words = texts("zero", "one", "two", "three")
    indices = bytes([2]) + bytes([3 << 1, 3]) + bytes([1 << 1 | 1, 0b11100100, 0b00011011])
    write("old-dictionary", [("root", element("word", REQUIRED, "bytes", converted=0)),
                             ("root", element("stamp", OPTIONAL, "int96"))],
          [(11, [chunk([by_hand.dictionary(words, 4), page(indices, 11, encoding=2)], 11, "bytes", "word", has_dictionary=True),
                 chunk([page(runs([1] * 3 + [0] * 8) + b"".join(
                     struct.pack("<qi", *t) for t in [(0, 2440588), (86399999999999, 2460370), (1, 2415021)]), 11)],
                     11, "int96", "stamp")])])


def bad_files(out):
    """Files that must be refused: a part of the error by name. Of most only the column "bad" is wrong."""
    good = element("good", REQUIRED, "bytes", converted=0)
    good_chunk = chunk([page(texts("sound", "too"), 2)], 2, "bytes", "good")
    errors = {}
    packed = pa.compress(texts("a", "b"), "snappy", asbytes=True)

    def column(name, error, pages=None, count=2, shape=("bad", REQUIRED, "bytes"), codec=0, rows=2, **more):
        converted = 0 if shape[2] == "bytes" else None
        by_hand.write(os.path.join(out, name + ".parquet"), [("root", good), ("root", element(*shape, converted=converted))], [
            (rows, [good_chunk, chunk(pages or [page(texts("a", "b"), 2)], count, shape[2], "bad", codec, **more)])])
        errors[name] = error

    def whole(name, error, schema=None, groups=None, **options):
        by_hand.write(os.path.join(out, name + ".parquet"), schema or [("root", good)], groups or [(2, [good_chunk])], **options)
        errors[name] = error

    column("codec-lzo", "LZO", codec=3, pages=[page(texts("a", "b"), 2, compressed=b"x")])
    column("codec-unknown", "unknown codec, 99", codec=99)
    column("encoding-unknown", "unknown encoding, 42", [page(texts("a", "b"), 2, encoding=42)])
    column("encoding-of-other-type", "in encoding deltaBinaryPacked", [page(texts("a", "b"), 2, encoding=5)])
    column("encrypted", "encrypted", changes={8: ("struct", [(1, "struct", [])])})
    column("elsewhere", "another file", changes={1: ("binary", "other.parquet")})
    column("type", "expected 6", metadata={1: ("i32", 1)})
    column("offset-negative", "its pages are said to be", metadata={9: ("i64", -5)})
    column("offset-beyond", "its pages are said to be", metadata={9: ("i64", 2**62)})
    column("size-beyond", "its pages are said to be", metadata={7: ("i64", 2**62)})
    column("count-short", "a page of 2 values, but 1 are left", count=1)
    column("count-long", "its pages end, but 1 values are left", count=3, rows=2)
    column("count-of-rows", "fewer values than its row group has rows", [page(texts("a"), 1)], count=1)
    column("values-too-few", "the bytes end too early", [page(texts("a"), 2)])
    column("value-too-long", "the bytes end too early", [page(texts("a") + struct.pack("<I", 2**31) + b"b", 2)])
    column("checksum", "checksum", [page(texts("a", "b"), 2, crc=1234)])
    column("no-dictionary", "refers to a dictionary, but there is none", [page(bytes([1, 4, 0]), 2, encoding=8)])
    column("dictionary-index", "index 1 of a dictionary of 1 values",
           [by_hand.dictionary(texts("a"), 1), page(bytes([1, 4, 1]), 2, encoding=8)], has_dictionary=True)
    column("dictionary-width", "values of 33 bits", [by_hand.dictionary(texts("a"), 1), page(bytes([33, 4, 0, 0, 0, 0, 0]), 2, encoding=8)],
           has_dictionary=True)
    column("dictionary-short", "the bytes end too early", [by_hand.dictionary(texts("a"), 3), page(bytes([1, 4, 0]), 2, encoding=8)],
           has_dictionary=True)
    column("dictionary-of-millions", "a dictionary of 2147483647 values",
           [by_hand.dictionary(texts("a"), 2**31 - 1), page(bytes([1, 4, 0]), 2, encoding=8)], has_dictionary=True)
    column("two-dictionaries", "two dictionaries", [by_hand.dictionary(texts("a"), 1)] * 2 + [page(bytes([1, 4, 0]), 2, encoding=8)],
           has_dictionary=True)
    column("snappy-damaged", "damaged", [page(texts("a", "b"), 2, compressed=packed[:-3] + b"\xff\xff\xff")], codec=1)
    column("snappy-size", "unpack to 10 bytes, expected 11", [page(texts("a", "b"), 2, compressed=packed, size=11)], codec=1)
    column("gzip-size", "expected 1000000", [page(texts("a", "b"), 2, compressed=zlib.compress(texts("a", "b")), size=1000000)], codec=2)
    column("zstd-damaged", "damaged", [page(texts("a", "b"), 2, compressed=b"nothing")], codec=6)
    column("brotli-damaged", "damaged", [page(texts("a", "b"), 2, compressed=b"nothing")], codec=4)
    column("lz4-damaged", "damaged", [page(texts("a", "b"), 2, compressed=b"\xff\xff\xff")], codec=7)
    column("size-of-plain-page", "a page of 10 bytes that states 2147483647", [page(texts("a", "b"), 2, size=2**31 - 1)])
    column("size-of-packed-page", "a page of 2147483647 bytes", [page(texts("a", "b"), 2, compressed=packed, size=2**31 - 1)], codec=1)
    column("levels-too-high", "a run of the value 2", [page(runs([1, 2]) + texts("a", "b"), 2)], shape=("bad", OPTIONAL, "bytes"))
    column("levels-too-few", "fewer values than it states", [page(runs([1]) + texts("a", "b"), 2)], shape=("bad", OPTIONAL, "bytes"))
    column("levels-beyond", "the bytes end too early", [page(struct.pack("<I", 2**31), 2)], shape=("bad", OPTIONAL, "bytes"))
    column("levels-beyond-2", "the bytes end too early", [page2(b"", 2, 2, definitions=b"\4\1", length=2**31 - 1)], shape=("bad", OPTIONAL, "bytes"))
    column("levels-of-unknown-form", "levels in encoding 7", [page(runs([1, 1]) + texts("a", "b"), 2, levels=(7, 3))], shape=("bad", OPTIONAL, "bytes"))
    column("row-inside-list", "levels do not fit", [page(runs([1, 0]) + runs([1, 1]) + texts("a", "b"), 2)], shape=("bad", REPEATED, "bytes"))
    column("rows-too-many", "more values than its row group has rows", [page(runs([0, 0, 0]) + runs([1, 1, 1]) + texts("a", "b", "c"), 3)],
           count=3, shape=("bad", REPEATED, "bytes"))
    run = lambda value: by_hand.varint(5000000 << 1) + bytes([value])
    column("endless-list", "a few rows have more than", [by_hand.dictionary(texts("a"), 1), page(
        struct.pack("<I", 7) + bytes([2, 0]) + run(1) + struct.pack("<I", 7) + bytes([2, 1]) + run(1)
        + bytes([1, 2, 0]) + run(0), 5000001, encoding=8)], count=5000001, shape=("bad", REPEATED, "bytes"), has_dictionary=True)
    column("delta-prefix", "shares 5 bytes with the one before", [page(
        bytes([0x80, 1, 4, 2, 0]) + bytes([10, 0, 0, 0, 0]) + bytes([0x80, 1, 4, 2, 2]) + bytes([0, 0, 0, 0, 0]) + b"ab", 2, encoding=7)])
    column("delta-length", "the bytes end too early", [page(bytes([0x80, 1, 4, 2, 1]) + bytes([0, 0, 0, 0, 0]) + b"ab", 2, encoding=6)])
    column("delta-blocks", "differences in blocks", [page(bytes([0x80, 1, 0, 2, 0]) + b"ab", 2, encoding=6)])
    column("header-negative", "a size of -1", [thrift([(1, "i32", 0), (2, "i32", -1), (3, "i32", 0), (5, "struct", [(1, "i32", 2)])])])
    column("header-of-no-kind", "a page of type 9", [thrift([(1, "i32", 9), (2, "i32", 0), (3, "i32", 0)])])
    column("header-without-part", "without the header of its kind", [thrift([(1, "i32", 0), (2, "i32", 0), (3, "i32", 0)])])
    column("page-beyond", "a page of 3000 bytes", [page(texts("a", "b"), 2, compressed=b"x" * 3000)[:-2900]], codec=1)
    column("fixed-without-length", "values of 0 bytes", shape=("bad", REQUIRED, "fixed"))

    whole("not-parquet", "does not begin with PAR1", start=b"abcd")
    whole("cut-off", "does not end with PAR1", end=b"abcd")
    whole("footer-encrypted", "encrypted", end=b"PARE")
    whole("footer-length", "it states a length of", length=2**31)
    whole("footer-garbage", "thrift", footer=b"\x1f" * 20)
    whole("footer-empty", "the schema has no root", footer=b"\0")
    whole("footer-deep", "nested deeper", footer=b"\x1c" * 200)
    whole("footer-list", "a thrift length", footer=bytes([0x29, 0xFC]) + by_hand.varint(2**40))
    whole("chunk-without-metadata", "without its metadata", schema=[("root", good)], footer=thrift([
        (2, ["struct"], [element("schema", children=1), good]), (3, "i64", 2),
        (4, ["struct"], [[(1, ["struct"], [[]]), (3, "i64", 2)]])]))
    whole("rows", "a row group of -2 rows", groups=[(-2, [good_chunk])])
    whole("schema-short", "the schema ends", schema=[("root", element("bad", REQUIRED, children=2)), good])
    whole("schema-long", "only 2 are below its root", schema=[("root", good), good])
    whole("schema-negative", "has -1 children", schema=[("root", element("bad", REQUIRED, children=-1)), good])
    whole("schema-deep", "nested deeper", schema=[("root", element("bad", REQUIRED, children=1))]
          + [element("bad", REQUIRED, children=1)] * 100 + [good])
    fields = [element(f"f{number}", OPTIONAL, "int32") for number in range(20)]
    level_run = lambda count, value: by_hand.varint(count << 1) + bytes([value])
    nulls = page2(b"", 2000000, 1, repetitions=level_run(1, 0) + level_run(1999999, 1), definitions=level_run(2000000, 2))
    # A row of a list of two million structs of nulls: each column alone is below the limit.
    whole("endless-structs", "a few rows have more than", groups=[(1, [chunk([nulls], 2000000, "int32", "list") for _ in fields])],
          schema=[("root", element("list", OPTIONAL, children=1, converted=3)), element("list", REPEATED, children=1),
                  element("element", OPTIONAL, children=20)] + fields)
    whole("columns", "has 1 columns, expected 2", schema=[("root", good), ("root", good)])
    whole("group-without-fields", "a group without fields", schema=[("root", good), ("root", element("bad", REQUIRED, children=0))])
    return errors


def main(out):
    os.makedirs(os.path.join(out, "bad"), exist_ok=True)
    same = files(out)
    old_files(out)
    read = {}
    for name in sorted(os.listdir(out)):
        name, suffix = os.path.splitext(name)
        if suffix == ".parquet":
            read[name] = rows(os.path.join(out, name + suffix))
    # Against the format's text, pyarrow takes the lowest bit of these levels first.
    read["old-levels"] = [{"a": value} for value in [0, None, 1, 2, None, 3, 4, 5, None, 6]]
    for name, other in same.items():
        if read[name] != read[other] and json.dumps(read[name]) != json.dumps(read[other]):
            raise SystemExit(f"{name} has other rows than {other}")
        read[name] = other
    with open(os.path.join(out, "rows.json"), "w") as file:
        bad = bad_files(os.path.join(out, "bad"))
        members = [f'"files": {{\n{members_of(read)}\n}}', f'"bad": {{\n{members_of(bad)}\n}}', f'"pyarrow": "{pa.__version__}"']
        file.write("{" + ",\n".join(members) + "}\n")


def members_of(values):
    return ",\n".join(f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in values.items())


if __name__ == "__main__":
    assert pa.__version__ == "26.0.1", pa.__version__
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "parquet"))
