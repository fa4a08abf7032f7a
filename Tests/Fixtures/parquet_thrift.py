"""Writes parquet files byte by byte: older forms and wrong ones, which no library writes any more.

A thrift struct is a list of (field, type, value): type is i32, i64, bool, binary, struct, or the type of a list's
elements in brackets, such as [struct].
"""
import struct

MARK = b"PAR1"
TYPES = {"bool": 1, "i8": 3, "i16": 4, "i32": 5, "i64": 6, "binary": 8, "list": 9, "struct": 12}
PHYSICAL = {"boolean": 0, "int32": 1, "int64": 2, "int96": 3, "float": 4, "double": 5, "bytes": 6, "fixed": 7}
REQUIRED, OPTIONAL, REPEATED = range(3)


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def value(type, v):
    if isinstance(type, list):
        kind = TYPES[type[0]]
        head = bytes([len(v) << 4 | kind]) if len(v) < 15 else bytes([0xF0 | kind]) + varint(len(v))
        return head + b"".join(value(type[0], element) for element in v)
    if type == "struct":
        return thrift(v)
    if type == "binary":
        v = v.encode() if isinstance(v, str) else v
        return varint(len(v)) + v
    return varint((v << 1 ^ v >> 63) & (1 << 64) - 1)


def thrift(fields):
    out, last = b"", 0
    for field, type, v in fields:
        if v is None:
            continue
        code = (1 if v else 2) if type == "bool" else 9 if isinstance(type, list) else TYPES[type]
        out += bytes([field - last << 4 | code]) + (b"" if type == "bool" else value(type, v))
        last = field
    return out + b"\0"


def element(name, repetition=None, type=None, children=None, converted=None, length=None, logical=None):
    """One element of the schema."""
    return [(1, "i32", PHYSICAL.get(type)), (2, "i32", length), (3, "i32", repetition), (4, "binary", name),
            (5, "i32", children), (6, "i32", converted), (10, "struct", logical)]


def page(content, count, encoding=0, compressed=None, size=None, crc=None, levels=(3, 3)):
    """A data page of version 1."""
    stored = content if compressed is None else compressed
    return thrift([(1, "i32", 0), (2, "i32", len(content) if size is None else size), (3, "i32", len(stored)), (4, "i32", crc),
                   (5, "struct", [(1, "i32", count), (2, "i32", encoding), (3, "i32", levels[0]), (4, "i32", levels[1])])]) + stored


def page2(content, count, rows, definitions=b"", repetitions=b"", encoding=0, compressed=None, size=None, length=None):
    """A data page of version 2. `length`: what it states of its definition levels."""
    stored = repetitions + definitions + (content if compressed is None else compressed)
    whole = len(repetitions) + len(definitions) + len(content)
    return thrift([(1, "i32", 3), (2, "i32", whole if size is None else size), (3, "i32", len(stored)), (8, "struct", [
        (1, "i32", count), (2, "i32", 0), (3, "i32", rows), (4, "i32", encoding), (5, "i32", len(definitions) if length is None else length),
        (6, "i32", len(repetitions)), (7, "bool", compressed is not None)])]) + stored


def dictionary(content, count, encoding=2):
    return thrift([(1, "i32", 2), (2, "i32", len(content)), (3, "i32", len(content)),
                   (7, "struct", [(1, "i32", count), (2, "i32", encoding)])]) + content


def runs(levels, width=1):
    """Levels in runs of one value, with their length before them."""
    out, i = b"", 0
    while i < len(levels):
        j = i
        while j < len(levels) and levels[j] == levels[i]:
            j += 1
        out += varint(j - i << 1) + bytes([levels[i]]) * (1 if width else 0)
        i = j
    return struct.pack("<I", len(out)) + out


def texts(*values):
    return b"".join(struct.pack("<I", len(v)) + v for v in (v.encode() if isinstance(v, str) else v for v in values))


def chunk(pages, count, type, path, codec=0, has_dictionary=False, changes=(), metadata=()):
    """What `write` makes a column chunk of. `changes` and `metadata` replace fields by their numbers."""
    return {"pages": pages, "count": count, "type": type, "path": path, "codec": codec, "dictionary": has_dictionary,
            "changes": dict(changes), "metadata": dict(metadata)}


def replaced(fields, changes):
    known = {field for field, _, _ in fields}
    fields = [(field, *changes.get(field, (type, v))) for field, type, v in fields]
    return sorted(fields + [(field, *change) for field, change in changes.items() if field not in known])


def write(path, schema, groups, rows=None, start=MARK, end=MARK, footer=None, length=None):
    """schema: elements below the root, in order; groups: (rows, chunks)."""
    out = start
    row_groups = []
    for count, chunks in groups:
        columns = []
        for c in chunks:
            begin = len(out)
            out += b"".join(c["pages"])
            data = begin + len(c["pages"][0]) if c["dictionary"] else begin
            metadata = [(1, "i32", PHYSICAL[c["type"]]), (2, ["i32"], [0]), (3, ["binary"], c["path"].split(".")),
                        (4, "i32", c["codec"]), (5, "i64", c["count"]), (6, "i64", len(out) - begin),
                        (7, "i64", len(out) - begin), (9, "i64", data), (11, "i64", begin if c["dictionary"] else None)]
            columns.append(replaced([(2, "i64", 0), (3, "struct", replaced(metadata, c["metadata"]))], c["changes"]))
        row_groups.append([(1, ["struct"], columns), (2, "i64", len(out)), (3, "i64", count)])
    roots = sum(1 for e in schema if e[0] == "root")
    elements = [e[1] if e[0] == "root" else e for e in schema]
    if footer is None:
        footer = thrift([(1, "i32", 1), (2, ["struct"], [element("schema", children=roots)] + elements),
                         (3, "i64", sum(count for count, _ in groups) if rows is None else rows), (4, ["struct"], row_groups)])
    out += footer + struct.pack("<I", len(footer) if length is None else length) + end
    with open(path, "wb") as file:
        file.write(out)
    return out
