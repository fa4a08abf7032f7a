"""The text behind the tiny fixtures: eight preference records, which also train the tiny tokenizer."""

SYSTEM = "Answer briefly."


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def record(prompt, chosen, rejected):
    messages = [user("Summarize: " + prompt)] if isinstance(prompt, str) else prompt
    return {"prompt": messages, "chosen": [assistant(chosen)], "rejected": [assistant(rejected)]}


PAIRS = [
    record(
        "The shoal turns as one, though no fish leads it; each watches only its nearest neighbours.",
        "A shoal moves together without a leader.",
        "Fish are many and the sea is wide."),
    record(
        "In 1869 the canal was opened. Ships no longer had to sail around the cape, and the way "
        "from London to Bombay became 7,200 km shorter.",
        "The canal of 1869 made the way from London to Bombay 7,200 km shorter.",
        "Ships sail."),
    record(
        "Le café était fermé; 東京 was far away, and nobody wrote \"naïve\" without its dots 🙂.",
        "The café was closed and Tokyo far.",
        "Il n'y a rien à dire.\n\nNothing, nothing at all."),
    record(
        [{"role": "system", "content": SYSTEM}, user("Why is the sky blue?")],
        "Air scatters blue light more than red light.",
        "Because the sky is blue, and it's been blue since the sky was first seen to be blue."),
    record(
        [user("Name a river."), assistant("The Danube."), user("And another, please.")],
        "The Rhine.",
        "No."),
    record(
        "def area(width, height):\n    # returns the area\n    return width * height\n",
        "A function that returns width times height.",
        "It's code:\n\n\tdef area(width, height): ..."),
    record(
        "The committee met on Monday. It didn't agree on the budget, but it agreed to meet again on "
        "Thursday, when the numbers of the first quarter will be known and the chair has returned.",
        "The committee put off the budget until Thursday, when the first quarter's numbers are known.",
        "A committee met on Monday and there was a chair. The chair was not there."),
    record(
        "Rain.",
        "It rains.",
        "It does not rain, or it rains only when nobody who could have told us about it is outside."),
]
