"""Compares RougeScorer with rouge_score 0.1.2 on random and real-like texts.

    swift build -c release --product text-scores
    python Tests/Parity/rouge_parity.py .build/release/text-scores [COUNT]

Every score of rouge1, rouge2, rougeL and rougeLsum must agree to 1e-9, with and without stemming. rouge-score==0.1.2 and
nltk==3.10.4 (requirements.txt).
"""

import json
import random
import subprocess
import sys

from rouge_score import rouge_scorer

METRICS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
WORDS = """the a of and to in is that relational conditional rational valenci hesitanci digitizer conformabli radicalli
differentli vileli analogousli vietnamization predication operator feudalism decisiveness hopefulness callousness
formaliti sensitiviti sensibiliti triplicate formative formalize electriciti electrical hopeful goodness revival
allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption
homologou communism activate angulariti homologous effective bowdlerize probate rate cease controll roll dying lying
tying skies innings outings cannings howe proceed exceed succeed flies dies mules denied died agreed owned humbled
sized meeting stating siezing itemization sensational traditional reference colonizer plotted fizzed failing filing
happy enjoy sky spy syzygy toy buys yyyy geology theological apology archaeologi fulli hopefulli 2023 3d x1 models
learning preference optimisation summaries papers results we show propose method data training evaluation""".split()
ODD = ["café", "naïve", "Straße", "ΣΊΣΥΦΟΣ", "東京", "emoji🙂word", "K\u212aelvin", "\u0130stanbul", "e\u0301t", "—", "don't",
       "U.S.A.", "snake_case", "a-b", "100%", "ﬁne", "\u00a0", "\t", "\r", "\x0b", "\u2028", "O'Neil", "１２", "Ⅳ", "İİ", "\u017f"]


def word(draw):
    kind = draw.random()
    if kind < 0.7:
        text = draw.choice(WORDS)
    elif kind < 0.8:
        text = draw.choice(ODD)
    else:
        text = "".join(draw.choice("abdeilnosty") for _ in range(draw.randint(1, 12)))
        text += draw.choice(["", "", "s", "es", "ies", "ed", "eed", "ing", "ational", "ation", "alli", "bli", "ment", "y",
                             "ion", "sion", "tion", "logi", "ness", "ful", "ize", "ll", "e", "ied", "iviti", "fulli"])
    return draw.choice([text, text, text, text.upper(), text.capitalize()])


def text(draw, pool=None):
    if draw.random() < 0.03:
        return draw.choice(["", " ", "\n", "\n\n", "...", "東京\n", "é"])
    count = draw.choice([1, 2, 3, 5, 10, 30, 100])
    words = [draw.choice(pool) if pool and draw.random() < 0.8 else word(draw) for _ in range(count)]
    return "".join(w + draw.choice([" ", " ", " ", " ", ", ", ". ", ".\n", "\n", "\n\n", ""]) for w in words)


def words_of_suffixes():
    """Every stem of a few letters with every suffix of the tables."""
    suffixes = """s es ies sses ss ed eed ied ing y at bl iz ational tional enci anci izer bli abli alli entli eli ousli
        ization ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful
        ness al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize e ll""".split()
    for stem in ["b", "tr", "at", "by", "yb", "oy", "geo", "tion", "adopt", "mess", "hopp", "fall", "fizz", "troubl", "activ",
                 "relat", "aa", "xw", "vow", "wax", "enjoy", "syzyg", "ab", "abab", "l", "ell"]:
        for first in suffixes:
            yield stem + first
            for second in suffixes:
                yield stem + first + second


def pairs(count):
    draw = random.Random(16)
    for number in range(count):
        reference = text(draw)
        pool = reference.split() or None
        references = [reference] + [text(draw, pool) for _ in range(draw.choice([0, 0, 0, 1, 2]))]
        prediction = draw.choice([text(draw, pool), text(draw, pool), text(draw), reference])
        yield {"stem": number % 2 == 0, "references": references, "prediction": prediction}
    # Equal stems are equal words: what the stemmer does shows in which of these match.
    words = sorted(set(words_of_suffixes()))
    for start in range(0, len(words), 100):
        some = words[start:start + 100]
        yield {"stem": True, "references": ["\n".join(some)], "prediction": "\n".join(reversed(some))}
        yield {"stem": True, "references": [" ".join(some)], "prediction": " ".join(word[:-2] for word in some)}


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    items = list(pairs(count))
    lines = "".join(json.dumps(item) + "\n" for item in items)
    answer = subprocess.run([sys.argv[1], "rouge"], input=lines, capture_output=True, text=True, check=True)
    ours = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(ours) == len(items), (len(ours), len(items))
    scorers = {stem: rouge_scorer.RougeScorer(METRICS, use_stemmer=stem) for stem in (False, True)}
    worst = 0.0
    for item, numbers in zip(items, ours):
        scores = scorers[item["stem"]].score_multi(item["references"], item["prediction"])
        expected = [value for metric in METRICS for value in scores[metric]]
        distance = max(abs(a - b) for a, b in zip(numbers, expected))
        if distance > 1e-9:
            print(json.dumps(item), numbers, expected, sep="\n")
            sys.exit(1)
        worst = max(worst, distance)
    print(f"{len(items)} items, {sum(len(i['references']) for i in items)} comparisons: within {worst:.1e}")


if __name__ == "__main__":
    main()
