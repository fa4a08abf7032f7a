"""Writes Tests/Fixtures/rouge.json: scores of rouge_score for texts, and stems of NLTK for words.

    pip install rouge-score==0.1.2 nltk==3.10.4
    python Tests/Fixtures/rouge.py

The texts are some of those that Tests/Parity/rouge_parity.py compares thousands of.
"""

import json
import os
import sys

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "Parity"))

from rouge_parity import METRICS, WORDS, pairs, words_of_suffixes  # noqa: E402


def main():
    scorers = {stem: rouge_scorer.RougeScorer(METRICS, use_stemmer=stem) for stem in (False, True)}
    items = []
    for item in pairs(180):
        if len("".join(item["references"])) + len(item["prediction"]) > 500:
            continue
        scores = scorers[item["stem"]].score_multi(item["references"], item["prediction"])
        items.append({**item, "scores": [value for metric in METRICS for value in scores[metric]]})
    stemmer = PorterStemmer()
    words = sorted({word.lower() for word in WORDS} | set(list(words_of_suffixes())[::71]))
    stems = [[word, stemmer.stem(word)] for word in words]
    with open(os.path.join(HERE, "rouge.json"), "w") as file:
        json.dump({"items": items, "stems": stems}, file, separators=(",", ":"))


main()
