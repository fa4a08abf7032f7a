"""Writes Sources/Corpus/UnicodeTables.swift: what the `tokenizers` library takes each code point for.

The library's regex engine and its NFC crate each follow one version of Unicode, which no other program on a
machine need share, so every fact is asked of the library itself, code point by code point; nothing is read
from Python's own Unicode data but a list of reference marks, whose classes never change.

usage: unicode_tables.py OUT.swift        (made with tokenizers 0.23.3)
"""
import sys
import unicodedata
import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import NFC, NFD
from tokenizers.pre_tokenizers import Digits, Split

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
nfc, nfd = NFC().normalize_str, NFD().normalize_str


def members(pattern):
    """The code points that the one-character pattern matches."""
    found = set()
    for start in range(0, len(CODES), 4096):
        chunk = "".join(map(chr, CODES[start:start + 4096]))
        rest = "".join(piece for piece, _ in Split(Regex(pattern), "removed").pre_tokenize_str(chunk))
        found |= set(map(ord, chunk)) - set(map(ord, rest))
    return found


def each(function, texts):
    """The function of many texts in one call: a line feed neither combines nor is reordered."""
    result = []
    for start in range(0, len(texts), 4096):
        chunk = texts[start:start + 4096]
        parts = function("\n".join(chunk)).split("\n")
        assert len(parts) == len(chunk)
        result += parts
    return result


CODES_BUT_LF = [c for c in CODES if c != 10]

# --- the split rule's classes
letters, numbers, spaces = members(r"\p{L}"), members(r"\p{N}"), members(r"\s")
assert not letters & numbers and not letters & spaces and not numbers & spaces
everything = set(CODES)
assert members(r"[^\s\p{L}\p{N}]") == everything - letters - numbers - spaces
assert members(r"[^\r\n\p{L}\p{N}]") == everything - letters - numbers - {10, 13}
assert members(r"\S") == everything - spaces
assert members(r"[\r\n]") == {10, 13}

# --- what other split rules ask for; a property that is left out is what the others leave
uppercase, titlecase, modifiers, otherletters = (members(r"\p{%s}" % name) for name in ("Lu", "Lt", "Lm", "Lo"))
assert members(r"\p{Ll}") == letters - uppercase - titlecase - modifiers - otherletters
marks, punctuation, symbols = members(r"\p{M}"), members(r"\p{P}"), members(r"\p{S}")
# The pre-tokenizer Digits has a Unicode version of its own.
single_digits = Digits(individual_digits=True)
digits = {c for c in CODES if len(single_digits.pre_tokenize_str("a" + chr(c))) == 2}
assert numbers < digits

# --- contractions: which code points stand for the letters of (?i:'s|'t|'re|'ve|'m|'ll|'d)
contraction = Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"), "removed")


def contracting(make):
    """The code points whose text, made by `make`, is one contraction."""
    left = each(lambda t: "".join(p for p, _ in contraction.pre_tokenize_str(t)),
                ["~" + make(chr(c)) for c in CODES_BUT_LF])
    return {c for c, t in zip(CODES_BUT_LF, left) if t == "~"}


single = contracting(lambda c: "'" + c)
assert contracting(lambda c: c + "s") == {0x27}
pairs = {}
for first_letter, second_letter in ("re", "ve", "ll"):
    firsts = contracting(lambda c: "'" + c + second_letter)
    seconds = contracting(lambda c: "'" + first_letter + c)
    for first in firsts:
        assert contracting(lambda c: "'" + chr(first) + c) == seconds
    pairs[first_letter + second_letter] = (firsts, seconds)
folds = {}
for plain in "stmd":
    folds[plain] = {c for c in single if unicodedata.normalize("NFKD", chr(c)).lower() == plain}
assert set().union(*folds.values()) == single
for name, (first, second) in pairs.items():
    for plain, group in ((name[0], first), (name[1], second)):
        assert folds.setdefault(plain, group) == group
exotic = sorted((c, plain) for plain, group in folds.items() for c in group if c > 0x7F)
assert all({ord(p), ord(p.upper())} <= group for p, group in folds.items())

# --- canonical decomposition, in full; Hangul syllables go by arithmetic
HANGUL = range(0xAC00, 0xD7A4)
decomposition = {c: d for c, d in zip(CODES_BUT_LF, each(nfd, list(map(chr, CODES_BUT_LF)))) if d != chr(c)}
for c in HANGUL:
    s = c - 0xAC00
    jamo = [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])
    assert decomposition.pop(c) == "".join(map(chr, jamo)), hex(c)

# --- combining classes, by how marks are reordered around marks of known class
reference = {}
for c in CODES:  # of each class the first mark that the library knows too
    k = unicodedata.combining(chr(c))
    if k and k not in reference and c not in decomposition:
        if nfd("a\u0345" + chr(c)) != "a\u0345" + chr(c) or k == 240:
            reference[k] = chr(c)
simple = [c for c in CODES_BUT_LF if c not in decomposition and c not in HANGUL]


def moves_before(mark):
    """The code points that reordering takes before the mark: 0 < class < the mark's."""
    return {c for c, t in zip(simple, each(nfd, ["a" + mark + chr(c) for c in simple]))
            if t == "a" + chr(c) + mark and chr(c) != mark}


def moves_after(mark):
    return {c for c, t in zip(simple, each(nfd, ["a" + chr(c) + mark for c in simple]))
            if t == "a" + mark + chr(c) and chr(c) != mark}


before, after = {k: moves_before(m) for k, m in reference.items()}, {k: moves_after(m) for k, m in reference.items()}
combining = {}
for c in set().union(*before.values(), *after.values()):
    exact = [k for k in reference if c not in before[k] and c not in after[k]]
    assert len(exact) == 1, (hex(c), exact)
    combining[c] = exact[0]

# --- composition: every pair that decompositions suggest, and every such first with every such second
full = {c: d for c, d in decomposition.items()}
inverse = {}
for c, d in sorted(full.items()):
    inverse.setdefault(d, c)
firsts, seconds = set(), set()
for c, d in full.items():
    if len(d) > 1:
        seconds.add(d[-1])
        firsts.add(d[0])
        for cut in range(2, len(d)):
            if d[:cut] in inverse:
                firsts.add(chr(inverse[d[:cut]]))
tries = [(a, b) for a in sorted(firsts) for b in sorted(seconds)]
compositions = {}
for (a, b), t in zip(tries, each(nfc, [a + b for a, b in tries])):
    # A second that reordering takes into the first is not joined to it as a pair.
    if len(t) == 1 and nfc(a) == a and nfd(a) + b == nfd(a + b):
        compositions[(ord(a), ord(b))] = ord(t)
for c, d in full.items():  # every composite that NFC keeps is reached by exactly one pair
    if nfc(chr(c)) == chr(c):
        assert sum(1 for t in compositions.values() if t == c) == 1, hex(c)
assert all(t in full for t in compositions.values())
# Hangul by arithmetic
assert nfc("\u1100\u1161") == "\uac00" and nfc("\uac00\u11a8") == "\uac01"
assert nfc("\uac00\u11a7") == "\uac00\u11a7"

seconds = {b for _, b in compositions}
low = min(set(combining) | seconds | {c for c in full if nfc(chr(c)) != chr(c)})
assert low >= 0x300, hex(low)


# --- the file
def ranges(codes):
    codes, out = sorted(codes), []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return ["%x" % a if a == b else "%x-%x" % (a, b) for a, b in out]


def wrap(words):
    lines, line = [], "   "
    for word in words:
        if len(line) + 1 + len(word) > 119:
            lines.append(line)
            line = "   "
        line += " " + word
    return "\n".join(lines + [line])


def literal(name, doc, words):
    return f'  /// {doc}\n  static let {name}: StaticString = """\n{wrap(words)}\n    """\n'


classes = []
for k in set(combining.values()):
    classes += [(int(word.split("-")[0], 16), "%s=%x" % (word, k))
              for word in ranges(c for c in combining if combining[c] == k)]
hexes = lambda text: ".".join("%x" % ord(x) for x in text)
body = "\n".join([
    literal("letters", r"What `\p{L}` matches.", ranges(letters)),
    literal("numbers", r"What `\p{N}` matches.", ranges(numbers)),
    literal("spaces", r"What `\s` matches.", ranges(spaces)),
    literal("uppercaseLetters", r"What `\p{Lu}` matches.", ranges(uppercase)),
    literal("titlecaseLetters", r"What `\p{Lt}` matches.", ranges(titlecase)),
    literal("modifierLetters", r"What `\p{Lm}` matches.", ranges(modifiers)),
    literal("otherLetters", r"What `\p{Lo}` matches.", ranges(otherletters)),
    literal("marks", r"What `\p{M}` matches.", ranges(marks)),
    literal("punctuation", r"What `\p{P}` matches.", ranges(punctuation)),
    literal("symbols", r"What `\p{S}` matches.", ranges(symbols)),
    literal("laterNumbers", r"What the pre-tokenizer Digits takes for a digit and `\p{N}` does not match.",
            ranges(digits - numbers)),
    literal("combiningClasses", "Canonical combining classes other than 0: code points=class.",
            [word for _, word in sorted(classes)]),
    literal("decompositions", "Full canonical decompositions but Hangul's: code point=code points.",
            ["%x=%s" % (c, hexes(d)) for c, d in sorted(full.items())]),
    literal("compositions", "Primary composites but Hangul's: first.second=composite.",
            ["%x.%x=%x" % (a, b, t) for (a, b), t in sorted(compositions.items())]),
])
# The splitter has this one written out.
assert exotic == [(0x17F, "s")], exotic
text = f'''// Facts of Unicode as the `tokenizers` library holds them, asked of it by Tests/Fixtures/unicode_tables.py.
// Generated with tokenizers {tokenizers.__version__}; do not edit. Text, since a literal of numbers compiles slowly.

/// The tables behind `UnicodeProperties`: code points in hexadecimal, ranges inclusive.
enum UnicodeTables {{
{body}}}
'''
open(sys.argv[1], "w").write(text)
print(len(text), "characters;", len(letters), len(numbers), len(spaces), len(combining), len(full), len(compositions), hex(low))
