"""Hand-made documents in the fields of the hub's data sets, with what is hard about them, for lm_eval_tasks.py."""

# Answers of gsm8k that some of ANSWERS have.
GOLDS = ["6", "12", "42", "20", "7"]
TOPICS = ["rivers", "bread", "a kettle", "the moon", "ants", "glass", "a violin", "salt", "wool", "thunder"]


def hellaswag():
    def document(number, label, start, second, endings, **others):
        return {"ind": number, "activity_label": label, "ctx_a": start, "ctx_b": second,
                "ctx": start + " " + second, "endings": endings, "source_id": f"own~{number}", "split": "val",
                "split_type": "indomain", "label": others.get("answer", str(number % 4))}
    documents = [
        document(0, "Baking bread", "A woman kneads dough. [title] Then", "she WAITS [step]  an hour.",
                 ["lets it rest.", "  [header] throws it  away.", "sings [a] and [b] song", "sleeps."]),
        document(1, "Tuning a violin", "[header] How to tune [title] Hold it.", "",
                 ["turn the peg", "turn the  page [", "[unclosed turn", "] closed first"]),
        document(2, "Café", "Der Kellner bringt", "éclairs und ÄPFEL.", ["süß", "ß", "日本語 です", "🙂 fine"]),
        document(3, "  Walking ", " a dog runs ", "it JUMPS", ["over\na [multi\nline] fence", "a", "bb", "ccc"],
                 answer=" 2 "),
        document(4, "Tie", "equal", "endings", ["same", "same", "same", "same"]),
    ]
    return documents + [
        document(5 + n, f"Watching {t}", f"Somebody looks at {t}.", f"they see {t} [title] again",
                 [f"{t} moves.", f"{t} stops {n} times.", "nothing.", "a door opens."]) for n, t in enumerate(TOPICS)]


def winogrande():
    rows = [
        ("The cup fell off the shelf because the _ was slippery.", "cup", "shelf", "2"),
        ("Ana paid Bea since _ had won the bet.", "Ana", "Bea", "2"),
        ("_ waited for Tom because Kim was early.", "Kim", "Tom", "1"),
        ("The rope held the boat, so the _", "rope", "boat", "1"),
        ("Zoë thanked Jürgen; _ had brought the  soup.", "Zoë", "Jürgen", "2"),
        ("A _ and another _ blank.", "first", "second", "1"),
    ]
    rows += [(f"The box held {t} until the _ broke.", "box", t, "12"[n % 2]) for n, t in enumerate(TOPICS)]
    return [{"sentence": s, "option1": a, "option2": b, "answer": c} for s, a, b, c in rows]


def arc(name):
    def document(number, question, texts, labels, key):
        return {"id": f"{name}_{number}", "question": question, "choices": {"text": texts, "label": labels},
                "answerKey": key}
    return [
        document(0, "Which of these floats on water?", ["lead", "cork", "iron", "gold"], list("ABCD"), "B"),
        document(1, "Three choices?", ["one", "two", "three"], list("123"), "3"),
        document(2, "Five choices, the last is right?", ["a", "b", "c", "d", "it's \"e\""], list("ABCDE"), "E"),
        document(3, "A question with {{braces}} and\na line\n", ["x \\ y", "tab\there", "new\nline", " led"],
                 list("ABCD"), "A"),
        document(4, "Warum ist der Himmel blau?", ["Streuung", "Farbe", "Wasser", "ein Spiegel"], list("1234"), "1"),
        document(5, "Ties?", ["same", "same", "other", "same"], list("ABCD"), "C"),
        document(0, "Which of these floats on water?", ["lead", "cork", "iron", "gold"], list("ABCD"), "B"),
    ] + [document(7 + n, f"What is true of {t}?", [f"{t} is old", "nothing", f"all {t}", "no"], list("ABCD"),
                  "ABCD"[n % 4]) for n, t in enumerate(TOPICS)]


def piqa():
    rows = [("open a jar", "Twist the lid.", "Hit the lid with the jar."), ("", "Empty goal", "No goal at all"),
            ("dry a wet book", "Stand it up, fanned.", "Boil it 'softly'."), ("x", "it's", 'say "no"')]
    rows += [(f"clean {t}", f"Wipe {t} with a cloth.", f"Paint {t}.") for t in TOPICS]
    return [{"goal": g, "sol1": a, "sol2": b, "label": n % 2} for n, (g, a, b) in enumerate(rows)]


def openbookqa():
    rows = [("The sun gives", ["light", "salt", "wool", "bread"], " B"), ("Ice is", ["hot", "cold", "sweet", "loud"], "B")]
    rows += [(f"If you drop {t} it", ["falls", "flies", "sings", f"becomes {t}"], "ABCD"[n % 4])
             for n, t in enumerate(TOPICS)]
    return [{"id": f"7-{n}", "question_stem": q, "choices": {"text": c, "label": list("ABCD")}, "answerKey": a}
            for n, (q, c, a) in enumerate(rows)]


def boolq():
    long = " ".join(f"Sentence {n} of a long passage about {TOPICS[n % 10]} goes on." for n in range(60))
    rows = [("Water boils at 100 degrees at sea level.", "does water boil at sea level", 1), (long, "is it long", 1),
            ("Tabs\tand  spaces ", "are there  tabs ", 0), ("Ünïcödé 漢字", "is it 漢字", 1)]
    rows += [(f"Facts about {t}: there are {n}.", f"are there facts about {t}", n % 2) for n, t in enumerate(TOPICS)]
    return [{"question": q, "passage": p, "idx": n, "label": a} for n, (p, q, a) in enumerate(rows)]


def lambada():
    texts = ["The kettle whistled, so she took the kettle", "one", "two  spaces  here ", "Ends with a stop.",
             "“Yes,” said Ann, “it’s the naïve café”", "a line\nbreak before the last word", "trailing space "]
    return [{"text": t, "domain": None} for t in texts + [f"He told me about {t} and again {t}" for t in TOPICS]]


def mmlu(subject):
    rows = [(" What is this? ", ["A1", "B1", "C1", "D1"], 2), ("Statement 1 | x\nStatement 2 | y", ["T, T", "F, F", "T, F", "F, T"], 0)]
    rows += [(f"Question about {t} in {subject}?", [f"{t} {n}", "none", "it's both", 'say "x"'], n % 4)
             for n, t in enumerate(TOPICS)]
    return [{"question": q, "subject": subject, "choices": c, "answer": a} for q, c, a in rows]


def gsm8k():
    rows = [("Tom has 3 boxes of 1,200 pins. How many pins?", "He has 3*1200 = <<3*1200=3600>>3,600 pins.\n#### 3,600"),
            ("A debt of $5 grows by $2. What is the balance?", "It is -5-2=<<-5-2=-7>>-7\n#### -7"),
            ("How much are 2 at $1.50?", "They are $3.00.\n#### $3.00"), ("No mark here?", "The answer is 12.")]
    rows += [(f"Ann buys {n + 2} of {t} at ${n}. How much?", f"It is <<{n}+1={n + 1}>>.\n#### {GOLDS[n % 5]}")
             for n, t in enumerate(TOPICS)]
    return [{"question": q, "answer": a} for q, a in rows]


def humaneval():
    def document(number, name, body, test):
        return {"task_id": f"Own/{number}", "prompt": f"\ndef {name}(x):\n    \"\"\" Returns a number. \"\"\"\n",
                "entry_point": name, "canonical_solution": body, "test": test}
    return [document(n, f"f{n}", f"    return x + {n}\n", f"\ndef check(candidate):\n    assert candidate(1) == {n + 1}\n")
            for n in range(6)]


# What the model of the fixture answers.
ANSWERS = [
    "It is 3,600.\n#### 3,600", "#### -7\nQuestion: next?", "The answer is 12.", "The answer is -7. Q: more", "12",
    "no number at all", "", " $3.00 and 5.", "#### 20 #### 35.", "1.2.3 then $", "The answer is 1,000,000,",
    "    return x + 1\n\ndef other():\n    pass", "    return x\n# comment", "Über 42 Äpfel\n", "x</s>9", "ANSWER: 7, is 8",
    "It's C-A-T.", "cat", "dog!", "(B) or (C)", "I say: C", "It is the CAT dog.", "#### 6", "The answer is 42", "0", "is  -12,5", "8 Question: 9",
]

DOCUMENTS = {
    "hellaswag": hellaswag(), "winogrande": winogrande(), "arc_easy": arc("easy"), "arc_challenge": arc("hard"),
    "piqa": piqa(), "openbookqa": openbookqa(), "boolq": boolq(), "lambada_openai": lambada(),
    "mmlu_anatomy": mmlu("anatomy"), "mmlu_world_religions_continuation": mmlu("world_religions"), "gsm8k": gsm8k(),
    "gsm8k_cot": gsm8k(), "humaneval": humaneval(),
    "texts": [{"text": t} for t in ["A short text.", "One  more\n\ntext ", "日本語の文。", "x" * 40,
                                    " ".join(f"word{n}" for n in range(900))]],
    "colors": [{"question": f"The color of {t}", "hint": "a hint" if n % 2 else "",
                "options": ["red", "pale green", "it's blue", "grün"][: 3 + n % 2], "color": ["red", "it's blue"][n % 2]}
               for n, t in enumerate(TOPICS)],
    "pairs": [{"first": f"{t} {n}", "second": f"{TOPICS[n * 7 % 10]} {n * 3}", "same": int(n * 7 % 10 == n % 10)}
              for n in range(130) for t in [TOPICS[n % 10]]],
    "letters": [{"question": f"Which, {t}?", "choices": ["The cat!", "cat, dog", t, "12", "no number"][: 3 + n % 3], "answer": n % 3}
                for n, t in enumerate(TOPICS)],
    "words": [{"word": w, "answers": a} for w, a in [("cat", ["C-A-T", "cat"]), ("dog", ["D-O-G", "dog"]),
                                                     ("twelve", ["12", "twelve"]), ("none", ["", "no number at all"])]],
}
POOLS = {
    "hellaswag": hellaswag()[:3] * 2 + hellaswag()[5:], "arc_easy": arc("easy")[2:9], "boolq": boolq()[2:9],
    "gsm8k": gsm8k()[3:],
}
