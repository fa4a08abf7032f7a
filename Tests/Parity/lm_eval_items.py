"""Documents in the fields of the hub's data sets, made of running text, for the comparisons with lm-eval.

Nobody can answer them; what counts is that both sides see the same. Text is Python's own documentation, with what makes
tokens and templates hard strewn in.
"""
import random

import materials

HARD = [
    "naïve", "Größe", "日本語", "🙂", "it’s", "“so”", "1,200", "$5.50", "{{x}}", "x_y", "[step]", "C:\\dir", "–", "½"]
LETTERS = ["ABCDE", "12345"]


class Items:
    """A stream of documents; the same for the same seed."""

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.running = materials.text_of([]).split()

    def text(self, least, most):
        """So many words that stand beside each other."""
        count = self.draw.randint(least, most)
        start = self.draw.randrange(len(self.running) - count)
        words = self.running[start:start + count]
        for place in range(count):
            if self.draw.random() < 0.02:
                words[place] = self.draw.choice(HARD)
        space = "  " if self.draw.random() < 0.05 else "\n" if self.draw.random() < 0.03 else " "
        return space.join(words)

    def choices(self, count):
        """Different texts."""
        found = {}
        while len(found) < count:
            found[self.text(1, 9)] = None
        return list(found)

    def hellaswag(self, number):
        start, second = self.text(6, 25), self.text(2, 8)
        return {"ind": 1000 + number, "activity_label": self.text(1, 3), "ctx_a": start, "ctx_b": second,
                "ctx": start + " " + second, "endings": self.choices(4), "source_id": f"made~{number}", "split": "val",
                "split_type": "indomain", "label": str(self.draw.randrange(4))}

    def winogrande(self, number):
        first, second = self.choices(2)
        sentence = f"{self.text(4, 12)} _ {self.text(2, 8)}".replace("{{x}}", "x").replace("x_y", "xy")
        return {"sentence": sentence, "option1": first, "option2": second, "answer": self.draw.choice("12")}

    def arc(self, number):
        texts = self.choices(self.draw.choice([4, 4, 4, 3, 5]))
        labels = list(self.draw.choice(LETTERS)[:len(texts)])
        return {"id": f"made_{number}", "question": self.text(8, 40) + "?", "choices": {"text": texts, "label": labels},
                "answerKey": self.draw.choice(labels)}

    arc_easy = arc_challenge = arc

    def piqa(self, number):
        first, second = self.text(4, 20), self.text(4, 20)
        return {"goal": self.text(2, 12), "sol1": first, "sol2": second, "label": self.draw.randrange(2)}

    def openbookqa(self, number):
        return {"id": f"9-{number}", "question_stem": self.text(4, 16),
                "choices": {"text": self.choices(4), "label": list("ABCD")}, "answerKey": self.draw.choice("ABCD")}

    def boolq(self, number):
        return {"question": self.text(5, 10).lower(), "passage": self.text(40, 120), "idx": 1000 + number,
                "label": self.draw.randrange(2)}

    def lambada_openai(self, number):
        return {"text": self.text(20, 80), "domain": None}

    def mmlu(self, number, subject="", words=(8, 40)):
        return {"question": self.text(*words) + "?", "subject": subject, "choices": self.choices(4),
                "answer": self.draw.randrange(4)}

    def gsm8k(self, number, words=(15, 50)):
        result = self.draw.randrange(5000)
        return {"question": self.text(*words) + " How many?",
                "answer": f"{self.text(8, 30)} <<{result}-0={result}>>{result}.\n#### {result:,}"}

    gsm8k_cot = gsm8k

    def humaneval(self, number):
        described = self.text(5, 30).replace('"', "'").replace("\\", "/")
        return {"task_id": f"Made/{number}", "prompt": f'\ndef f{number}(x):\n    """ {described}\n    """\n',
                "entry_point": f"f{number}", "canonical_solution": "    return x\n",
                "test": "\ndef check(candidate):\n    assert candidate(1) == 1\n"}

    def texts(self, number):
        return {"text": self.text(5, 300) if number % 25 else self.text(2500, 4000)}

    def letters(self, number):
        return {"question": self.text(3, 12), "choices": self.choices(3 + number % 3), "answer": number % 3}

    def words(self, number):
        return {"word": self.text(1, 2), "answers": self.choices(2)}
