"""Records of every data format and what their own systems make of them: ids, and which of them are in the loss.

usage: formats.py TOKENIZER_DIR OUT.jsonl
needs: trl==1.16.0 transformers==5.23.0 tokenizers==0.23.3 datasets==5.2.0; and axolotl==0.19.0, installed with
       --no-deps beside addict and colorama: only its prompt strategies are imported.

Every line of OUT is one case: `type` (null for TRL's formats), `kind` (pair, labelled or completion), `fields`
and other settings where the case has them, the `record`, and `expected`: per example its ids, the places in the
loss and the label; for a pair the prompt's ids and both completions'. TRL's cases run through the trainers' own
`_prepare_dataset`, with the chat template of Qwen2.5 where the assistant's turns are asked for, since TRL marks
them in that one and none of Qwen2. A text spells a special token only where a format brings it rendered, and in cases
with `special_tokens_in_text`: without that key Shoal differs on purpose.
"""

import json
import logging
import sys
from types import SimpleNamespace

from axolotl.prompt_strategies import chat_template as axolotl_chat, completion as axolotl_completion
from axolotl.prompt_strategies.dpo import chat_template as axolotl_pairs, chatml as axolotl_dpo
from axolotl.prompt_strategies.kto import chatml as axolotl_kto
from axolotl.prompt_tokenizers import AlpacaPromptTokenizingStrategy
from axolotl.prompters import AlpacaPrompter
from axolotl.utils.dict import DictDefault
from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer
from trl import DPOTrainer, KTOTrainer, SFTTrainer
from trl.chat_template_utils import qwen2_5_training_chat_template
from trl.data_utils import extract_prompt

IGNORED = -100


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def case(record, type=None, kind="completion", **settings):
    return {"type": type, "kind": kind, **settings, "record": record}


# MARK: TRL

SKY = [user("What color is the sky?")]
LONG = "It was the best of times, it was the worst of times. " * 6
TALK = SKY + [assistant("It is blue."), user("Sure?\n"), assistant("\nYes, I am.")]

TRL = (
    [case({"prompt": prompt, "completion": completion}, **settings)
     for settings in ({}, {"train_on_inputs": True})
     for prompt, completion in [
         ("The sky is", " blue."), ("The sky is ", "blue."), ("Count: 12", "34"), ("A line.\n", "\nAnother."),
         ("Un cafe", "\u0301 au lait"), ("完成这个句子：天空是", "蓝色的。"), (LONG, "Indeed."),
         ("Ends already. ", "Yes.<|im_end|>"),
         (SKY, [assistant("Blue.")]), ([system("Be brief.")] + SKY, [assistant("\nBlue.")]),
         (TALK[:3], [assistant("Yes."), user("Why?"), assistant("Look up.")]),
         (SKY, [assistant("")  , user("Well?"), assistant("Blue.")]),
     ]]
    + [case({"text": text}, **settings) for settings in ({}, {"train_on_inputs": True})
       for text in ["One text.", "é", "Ends already.<|im_end|>", LONG]]
    + [case({"messages": messages}, **settings)
       for settings in ({}, {"train_on_inputs": True})
       for messages in [
           SKY + [assistant("It is blue.")], TALK, [system("Be brief.")] + TALK, TALK + [user("Thanks.")],
           [system("")] + SKY + [assistant("")], [assistant("I begin."), user("Go on."), assistant("No.")],
           SKY + [assistant("One."), assistant("Two.")], SKY + [assistant("  spaced\n\n")],
           SKY + [assistant("\u0301 accent"), user("?")],
       ]]
    + [case({"prompt": prompt, "completion": completion, "label": label}, kind="labelled")
       for prompt, completion, label in [
           ("The sky is", " blue.", True), ("The answ", "er is 42", False), (SKY, [assistant("Green.")], False),
       ]]
    + [case(record, kind="labelled") for record in [
        {"prompt": "The answ", "chosen": "er is 42", "rejected": " is"},
        {"chosen": "The sky is blue", "rejected": "The sky is black"},
        {"prompt": SKY, "chosen": [assistant("Blue.")], "rejected": [assistant("Green, I think.")]},
        {"chosen": SKY + [assistant("Blue.")], "rejected": SKY + [assistant("Green.")]},
    ]]
    + [case({"q": "The sky is", "a": " blue."}, fields={"prompt": "q", "completion": "a"}),
       case({"body": "One text."}, fields={"text": "body"}),
       case({"prompt": "Q", "chosen": " A", "rejected": " B"}, fields={"completion": "chosen"}),
       case({"turns": TALK}, fields={"messages": "turns"}),
       case({"prompt": "The sky is", "completion": " blue."}, eos_token="<|endoftext|>"),
       case({"text": "One text."}, eos_token="<|endoftext|>")]
)


def trl(tokenizer, case):
    names = case.get("fields", {})
    record = {next((new for new, old in names.items() if old == key), key): value for key, value in case["record"].items()}
    dataset = Dataset.from_list([record])
    arguments = SimpleNamespace(
        dataset_num_proc=None, max_length=None, truncation_mode="keep_start", dataset_text_field="text",
        assistant_only_loss=False, shuffle_dataset=False, loss_type=["apo_zero_unpaired"])
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=None, calculate_KL=False)
    if case["kind"] == "labelled":
        rows = KTOTrainer._prepare_dataset(trainer, dataset, tokenizer, arguments, "train")
        return [{**sequence(row["prompt_ids"] + row["completion_ids"], len(row["prompt_ids"])), "label": row["label"]}
                for row in rows]
    everything = case.get("train_on_inputs", False)
    trainer.completion_only_loss = not everything and "prompt" in record
    if "messages" in record and not everything:
        arguments.assistant_only_loss = True
        case["chat_template"] = "qwen_25"
        trainer.chat_template = qwen2_5_training_chat_template
    row = SFTTrainer._prepare_dataset(trainer, dataset, tokenizer, arguments, False, None, "train")[0]
    return [masked(row["input_ids"], row["labels"])]


# MARK: axolotl

QA = {"chosen": "It is blue.", "rejected": "It is green."}
BREAK = {"chosen": "\nBlue.", "rejected": "  green"}
ASKED = "What color is the sky?"


def pairs(type, field, *records):
    """The same questions in each format's field, without a system message, with an empty one and with one."""
    return [case({**record, field: text, **extra}, type=f"chatml.{type}", kind="pair")
            for record in records for text, extra in [
                (ASKED, {}), (ASKED, {"system": ""}), (ASKED, {"system": "Be brief.\n"}), ("\n" + LONG + " ", {})]]


CHOSEN = {"chosen": SKY + [assistant("It is blue.")], "rejected": SKY + [assistant("\nIt is green.")]}
RENAMED = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": "Blue."}, {"from": "human", "value": "Sure?"},
           {"from": "gpt", "value": "Yes."}]

AXOLOTL = (
    pairs("intel", "question", QA, BREAK) + pairs("icr", "input", QA) + pairs("prompt_pairs", "prompt", QA)
    + pairs("argilla", "instruction", {"chosen_response": "Blue.", "rejected_response": "Green."}, QA)
    + pairs("argilla", "prompt", QA) + pairs("argilla", "input", QA) + pairs("argilla", "question", QA)
    + pairs("ultra", "prompt", CHOSEN)
    + [{**case, "eos_token": "<|endoftext|>"} for case in pairs("intel", "question", QA)[:2]]
    + [case({"instruction": "Name a color.", "output": "Blue."}, type="alpaca", eos_token="<|endoftext|>")]
    + [case({field: ASKED, "completion": "\nIt is blue.", "label": label, **extra}, type=f"chatml.{type}", kind="labelled")
       for type, field in [("intel", "question"), ("argilla", "instruction"), ("prompt_pairs", "prompt"), ("ultra", "prompt")]
       for label, extra in [(True, {}), (False, {"system": "Be brief."})]]
    + [case({"instruction": text, **extra, "output": output}, type="alpaca", **settings)
       for settings in ({}, {"train_on_inputs": True})
       for text, extra, output in [
           ("Name a color.", {}, "Blue."), ("Name a color.", {"input": ""}, "\nBlue.\n"),
           ("Translate.", {"input": "un café\n"}, "a coffee"), (LONG, {"input": LONG}, " e\u0301"),
           ("End.", {}, "Yes.<|im_end|>")]]
    + [case({"text": text}, type="completion", sequence_len=length)
       for text, length in [("One text.", 64), (LONG, 32), (LONG, 7), ("Ends already.<|im_end|>", 64), ("é", 2)]]
    + [case({"body": LONG}, type="completion", sequence_len=50, fields={"text": "body"})]
    + [case({"messages": messages, **extra}, type="chat_template", **settings)
       for settings in ({}, {"train_on_inputs": True})
       for messages, extra in [
           (SKY + [assistant("It is blue.")], {}), (TALK, {}), (TALK, {"system": "Be brief."}),
           ([system("Be kind.")] + TALK, {"system": "Be brief."}), (TALK + [user("Thanks.")], {}),
           (SKY + [assistant(""), user("Well?"), assistant("Blue.")], {}), (SKY + [assistant("  spaced\n\n")], {}),
           (SKY + [assistant("One."), assistant("Two.")], {}), (SKY + [assistant("[[well]]")], {}),
           (SKY + [assistant("zz")], {}), ([assistant("I begin."), user("Go on."), assistant("No.")], {})]]
    + [case({"conversations": RENAMED}, type="chat_template", fields={"messages": "conversations"},
            properties={"role": "from", "content": "value"}),
       case({"messages": [{"role": "Q", "content": "Sky?"}, {"role": "A", "content": "Blue."}]}, type="chat_template",
            roles={"user": ["Q"], "assistant": ["A"]})]
    + [case({"messages": messages, "chosen": chosen, "rejected": rejected}, type="chat_template", kind="pair")
       for messages, chosen, rejected in [
           (SKY, assistant("Blue."), assistant("Green.")), (ASKED, "\nBlue.", "Green."),
           (TALK[:3], TALK[:3] + [assistant("Yes.")], TALK[:3] + [assistant("No.")]),
           ([system("Be brief.")] + SKY, assistant("Blue."), assistant("Green."))]]
)


def axolotl(tokenizer, case):
    type, record, names = case["type"], dict(case["record"]), case.get("fields", {})
    if case["kind"] != "completion":
        name = type.removeprefix("chatml.")
        if type == "chat_template":
            transform, _ = axolotl_pairs.default({"datasets": [{}], "chat_template": "tokenizer_default"})
            strings = transform(record, tokenizer=tokenizer)
        else:
            module = axolotl_dpo if case["kind"] == "pair" else axolotl_kto
            function = "default" if name == "argilla" and case["kind"] == "pair" else name
            strings = getattr(module, function)({})(record)
        return strung(tokenizer, case["kind"], strings)
    inputs = case.get("train_on_inputs", False)
    length = case.get("sequence_len", 2048)
    if type == "alpaca":
        row = AlpacaPromptTokenizingStrategy(AlpacaPrompter(), tokenizer, inputs, length).tokenize_prompt(record)
        return [masked(row["input_ids"], row["labels"])]
    settings = DictDefault({"train_on_inputs": inputs, "sequence_len": length, "chat_template": "tokenizer_default"})
    if type == "completion":
        strategy = axolotl_completion.load(tokenizer, settings, {"field": names.get("text", "text")})
        rows = strategy.tokenize_prompt({key: [value] for key, value in record.items()})
        # Of a single token nothing is learnt: nothing predicts it.
        return [masked(ids, labels) for ids, labels in zip(rows["input_ids"], rows["labels"]) if len(ids) > 1]
    dataset = {}
    if names:
        dataset["field_messages"] = names["messages"]
    if "properties" in case:
        dataset["message_property_mappings"] = case["properties"]
    if "roles" in case:
        dataset["roles"] = case["roles"]
    row = axolotl_chat.load(tokenizer, settings, dataset).tokenize_prompt(record)
    return [masked(row["input_ids"], row["labels"])]


# MARK: chatml.intel_prefilled

HEAD = "<|im_start|>user\n" + ASKED + "<|im_end|>\n<|im_start|>assistant\n"

PREFILLED = [
    case({"question": question, **extra, **record}, type="chatml.intel_prefilled", kind="pair")
    for record in (QA, BREAK) for question, extra in [
        (ASKED, {}), (ASKED, {"system": "Be brief."}), (ASKED, {"prefill": ""}), (ASKED, {"prefill": "The sky? It"}),
        (ASKED, {"system": "Be brief.", "prefill": "Sky:\n"}), (HEAD, {}), (HEAD, {"prefill": "The sky? It"}),
        ("<|im_start|>system\nBe brief.<|im_end|>\n" + HEAD + "The sky? ", {"system": "Be verbose."})]
]


def prefilled(tokenizer, case):
    """`intel`, but a question that is ChatML already is the prompt, and the prefill follows the prompt."""
    record = case["record"]
    if record["question"].startswith("<|im_start|>"):
        prompt = record["question"]
    else:
        prompt = axolotl_dpo.intel({})(dict(record))["prompt"]
    strings = {"prompt": prompt + record.get("prefill", "")}
    strings |= {name: record[name] + "<|im_end|>" for name in ("chosen", "rejected")}
    return strung(tokenizer, case["kind"], strings)


# MARK: special_tokens_in_text

TURN = "<|im_start|>user\n" + ASKED + "<|im_end|>\n"


def parse(record, type=None, kind="completion", **settings):
    return case(record, type, kind, special_tokens_in_text="parse", **settings)


PARSED = (
    [parse({"prompt": prompt, "chosen": chosen, "rejected": rejected}, kind="pair", **settings)
     for settings in ({}, {"eos_token": "<|endoftext|>"})
     for prompt, chosen, rejected in [
         (HEAD, "It is blue.<|im_end|>", "It is green.<|im_end|>\n"), (HEAD, "\nBlue.", "  green"),
         (HEAD + "The sky? It", " is blue.", "<|im_end|>\n" + HEAD + "Green."),
         ("Quote <|im_end|> and", " go on.", " stop"), ("caf", "e\u0301<|im_end|>", "\u0301 x"),
         ([user("What is <|im_end|>?")], [assistant("A <|im_start|>user\nmark")], [assistant("Nothing.")])]]
    + [parse({"chosen": HEAD + "Blue.", "rejected": HEAD + "Green."}, kind="pair"),
       parse({"prompt": HEAD, "completion": "Blue.<|im_end|>", "label": True}, kind="labelled"),
       parse({"prompt": HEAD, "chosen": "Blue.", "rejected": "Green."}, kind="labelled")]
    + [parse(record, **settings) for settings in ({}, {"train_on_inputs": True}) for record in [
        {"prompt": HEAD, "completion": "It is blue."}, {"prompt": HEAD, "completion": "Blue.<|im_end|>"},
        {"text": HEAD + "It is blue.<|im_end|>\n"}, {"text": HEAD + "It is blue.<|im_end|>"},
        {"messages": [user("What is <|im_end|>?"), assistant("A <|endoftext|> mark.")]}]]
    + [parse({"text": HEAD + LONG + "<|im_end|>\n" + HEAD + LONG}, type="completion", sequence_len=length)
       for length in (32, 400)]
    + [parse({"instruction": TURN, "input": "a <|im_end|>", "output": "Blue.<|im_end|>\n"}, type="alpaca"),
       parse({"question": TURN, **QA}, type="chatml.intel", kind="pair"),
       parse({"question": ASKED, "chosen": "Blue.<|im_end|>\n" + HEAD + "Yes.", "rejected": "No."},
             type="chatml.intel", kind="pair"),
       parse({"question": HEAD, "chosen": "Blue.<|im_end|>\n" + HEAD + "Yes.", "rejected": "No."},
             type="chatml.intel_prefilled", kind="pair")]
)


def parsed(tokenizer, case):
    if case["type"] == "chatml.intel_prefilled":
        return prefilled(tokenizer, case)
    if case["type"]:
        return axolotl(tokenizer, case)
    if case["kind"] != "pair":
        return trl(tokenizer, case)
    record = case["record"]
    return strung(tokenizer, "pair", record if "prompt" in record else extract_prompt(record))


# MARK: Ids

def strung(tokenizer, kind, strings):
    """axolotl's strings, as TRL tokenises them."""
    keys = ("prompt", "chosen", "rejected") if kind == "pair" else ("prompt", "completion", "label")
    record = {key: strings[key] for key in keys}
    if kind == "labelled":
        return trl(tokenizer, {"kind": kind, "record": record})
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    arguments = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    row = DPOTrainer._prepare_dataset(trainer, Dataset.from_list([record]), tokenizer, arguments, "train")[0]
    return [{name: row[f"{name}_ids"] for name in ("prompt", "chosen", "rejected")}]


def sequence(ids, start):
    return {"ids": ids, "scored": list(range(start, len(ids)))}


def masked(ids, labels):
    """The first token is never learnt: nothing predicts it."""
    return {"ids": ids, "scored": [place for place, label in enumerate(labels) if label != IGNORED and place > 0]}


def main():
    disable_progress_bars()
    logging.disable(logging.WARNING)
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        for cases, run in [(TRL, trl), (AXOLOTL, axolotl), (PREFILLED, prefilled), (PARSED, parsed)]:
            for case in cases:
                tokenizer.eos_token = case.get("eos_token", "<|im_end|>")
                expected = run(tokenizer, case)
                assert expected, case
                out.write(json.dumps({**case, "expected": expected}) + "\n")


if __name__ == "__main__":
    main()
