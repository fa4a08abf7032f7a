"""Preference records and the ids that TRL's DPOTrainer makes of them.

usage: preference_records.py TOKENIZER_DIR OUT.jsonl
needs: trl==1.16.0 transformers==5.23.0 tokenizers==0.23.3 datasets==5.2.0

Every line of OUT is a record as a data file holds it, with `expected` added: prompt, chosen and rejected
ids, and how many tokens at the prompt's end were left out. No text spells a special token, except where a
standard completion ends in the end-of-sequence text: there Shoal differs from TRL on purpose.
"""

import json
import sys
from types import SimpleNamespace

from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer
from trl import DPOTrainer
from trl.data_utils import extract_prompt

END = "<|im_end|>"


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


def triple(prompt, chosen, rejected):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def pair(chosen, rejected):
    return {"chosen": chosen, "rejected": rejected}


def talk(prompt, chosen, rejected):
    return triple([user(prompt)], [assistant(chosen)], [assistant(rejected)])


SKY = [user("What color is the sky?")]
LONG = "It was the best of times, it was the worst of times. " * 12

STANDARD = [
    triple("The sky is", " blue.", " green."),
    triple("The sky is ", "blue.", "green."),
    triple("The answ", "er is 42", "ering machine"),
    triple("Count: 12", "34", "3"),
    triple("A line.\n", "\nAnother.", "Another."),
    triple("Some tabs\t", "\t\tx", " x"),
    triple("Windows\r", "\nline\r\n", "line\r\n"),
    triple("Un caf", "é", "e\u0301"),
    triple("Un cafe", "\u0301 au lait", " noir"),
    triple("Hangul \u1100", "\u1161\u11a8 ok", "\u1162 ok"),
    triple("Family: \U0001f468", "\u200d\U0001f469\u200d\U0001f467", " alone"),
    triple("完成这个句子：天空是", "蓝色的。", "绿色的。"),
    triple("أكمل: السماء", " زرقاء", " خضراء"),
    triple("So it", "'s fine", "'ll do"),
    triple("An x", " ", "\n\n"),
    triple("Ends already. ", "Yes." + END, "No."),
    triple("Only the end: ", END, "words"),
    triple("Nearly special <|im_", "end|", "start|"),
    triple("Control \u0001\u007f", "\u0002", "\u200b\ufeff"),
    triple("Same", " thing", " thing"),
    triple(LONG, "Indeed.", "No, " + LONG),
    {**triple("Extra fields", " are ignored", " are dropped"), "score": 3, "source": "x"},
    pair("What is 2+2? Four", "What is 2+2? Five"),
    pair("The sky is blue", "The sky is black"),
    pair("Hello world", "Hello world, and more"),
    pair("Equal texts", "Equal texts"),
    pair("One  two", "One  three"),
    pair("Ending é", "Ending e\u0301"),
    pair("Accent e\u0301", "Accent e\u0300"),
]

CONVERSATIONAL = [
    talk("What color is the sky?", "It is blue.", "It is green."),
    talk("", "You said nothing.", "Hm?"),
    talk("Starts with a line break", "\nIt is blue.", "It is green."),
    talk("Starts with spaces", "  \n\n blue", "   "),
    talk("\n\nBreaks first\r\n", "ok\n", "ok\n\n"),
    talk("Zürich, cafe\u0301 and \u1100\u1161", "naïve", "nai\u0308ve"),
    talk("Same", "thing", "thing"),
    talk("Nearly <|im_end| special", "<|im_start|", "|im_start|>"),
    talk(LONG, "Times were mixed.", LONG),
    triple([system("Be brief.")] + SKY, [assistant("Blue.")], [assistant("Green, I think.")]),
    triple([system("")] + SKY, [assistant("Blue.")], [assistant("Green.")]),
    triple(SKY + [assistant("Blue."), user("Sure?")], [assistant("Yes.")], [assistant("No.")]),
    triple(SKY + [assistant("It is")], [assistant(" blue.")], [assistant(" green.")]),
    triple(SKY, [assistant("Blue."), user("Sure?"), assistant("Yes.")], [assistant("Green.")]),
    triple(SKY, [user("Well?"), assistant("Blue.")], [assistant("Green.")]),
    triple(SKY, [user("Well?"), assistant("Blue.")], [user("Or?"), assistant("Green.")]),
    triple(SKY, [assistant("")], [assistant("Green.")]) | {"chosen": [assistant(""), assistant("Blue.")]},
    triple(SKY + [system("Late orders.")], [assistant("Blue.")], [assistant("Green.")]),
    pair(SKY + [assistant("It is blue.")], SKY + [assistant("It is green.")]),
    pair(SKY + [assistant("Blue.")], SKY + [assistant("Blue.")]),
    pair(SKY + [assistant("Blue."), user("Sure?"), assistant("Yes.")], SKY + [assistant("Blue.")]),
    pair(
        [system("Be brief.")] + SKY + [assistant("Blue."), user("Sure?"), assistant("Yes.")],
        [system("Be brief.")] + SKY + [assistant("Blue."), user("Sure?"), assistant("No.")],
    ),
]


def main():
    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    arguments = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")

    def prompt_ids(record):
        prompt = record["prompt"] if "prompt" in record else extract_prompt(record)["prompt"]
        if isinstance(prompt, str):
            return tokenizer(prompt)["input_ids"]
        return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]

    with open(sys.argv[2], "w", encoding="utf-8") as out:
        for record in STANDARD + CONVERSATIONAL:
            dataset = Dataset.from_list([record])
            row = DPOTrainer._prepare_dataset(trainer, dataset, tokenizer, arguments, "train")[0]
            expected = {name: row[name + "_ids"] for name in ("prompt", "chosen", "rejected")}
            expected["left_out"] = len(prompt_ids(record)) - len(row["prompt_ids"])
            assert expected["prompt"], "without a prompt Shoal refuses a record"
            out.write(json.dumps({**record, "expected": expected}) + "\n")


if __name__ == "__main__":
    main()
