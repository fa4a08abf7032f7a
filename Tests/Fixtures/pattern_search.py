"""What Python's re finds and replaces, for Tests/PatternsTests.

usage: pattern_search.py OUT.jsonl
"""

import json
import random
import re
import sys

PATTERNS = [
    r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"The answer is (\-?[0-9\.\,]+).", r"(?s).*#### ", r"\.$",
    r"\[.*?\]", r",", r"\$", r"(?i)answer:?\s*([a-d])\b", r"^(\w+)", r"(?m)^(\w+)$", r"a*", r"a*?", r"(a|ab)(c|bcd)*", r"x*$",
    r"(?<=\$)\d+", r"(?<!\d)\d{2}(?!\d)", r"(?=a)\w+", r"\bcat\b|\Bat", r"(?P<k>\w+)=(?P<v>[^;]*)", r"((a)|b)+", r"(a+?)(a*)",
    r"[^\W\d_]+", r"\s+", r"\S+\Z", r"(?i:straße|STOP)", r"(\d+)(?:st|nd|rd|th)?", r"()", r"(?:)|b", r"a{2,3}?b?", r"\d+",
    r"(?s:.)\n", r"é|ü", r"[à-ü]+", r"(.)(.)?", r"\(?([ABCD])\)?[.:]", r"(?<=(?:ab|cd))e", r"\A\s*(.*?)\s*\Z",
]
TEXTS = [
    "", "It is 3,600.\n#### 3,600", "#### -7\nQuestion", "The answer is 12. The answer is 1,000,000,.", "$3.00 and 5.",
    "1.2.3 then $", "Answer: b, ANSWER c", "one\ntwo\n\nthree\n", "aaa abab abcd abcbcd", "[a] [b [c]] ]x[", "k=v;key=a b;=",
    "the cat sat; concat", "Straße STOP stop", "2nd 31st 100 ٣٤ 12", "  trimmed  ", "éàü Über naïve 日本 x_1", "(A) B. c: D:",
    "abe cde bce", "xxx", "a\r\nb\x1cc\x85d",
]
REPLACEMENTS = ["", "#", r"<\1>", r"\g<0>-", r"\n\\"]


def main(out):
    random.seed(0)
    with open(out, "w") as file:
        for pattern in PATTERNS:
            compiled = re.compile(pattern)
            for text in TEXTS + ["".join(random.choice("ab1 .\n") for _ in range(12)) for _ in range(4)]:
                found = [[m.span(g) for g in range(compiled.groups + 1)] for m in compiled.finditer(text)]
                entry = {"pattern": pattern, "text": text, "spans": found}
                replacement = REPLACEMENTS[(len(pattern) + len(text)) % len(REPLACEMENTS)]
                if compiled.groups or "1" not in replacement:
                    entry["replacement"] = replacement
                    entry["replaced"] = compiled.sub(replacement, text)
                file.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
