"""Records of every data format and what their own systems make of them: ids, and which of them are in the loss.

usage: formats.py TOKENIZER_DIR OUT.jsonl
needs: trl==1.16.0 transformers==5.23.0 tokenizers==0.23.3 datasets==5.2.0; and axolotl==0.19.0, installed with
       --no-deps beside addict and colorama: only its prompt strategies are imported.

Every line of OUT is one case: `type` (null for TRL's formats, an object for a format of the configuration's own), `kind`
(pair, labelled or completion), `fields`, `keys` (a data set's, by axolotl's names) and other settings where the case has
them, the `record`, and `expected`: per example its ids, the places in the loss and the label; for a pair the prompt's ids
and both completions'. `meant` is the record as the other system takes it, where that one does not take the record's form. TRL's cases run through the trainers' own
`_prepare_dataset`, with the chat template of Qwen2.5 where the assistant's turns are asked for, since TRL marks
them in that one and none of Qwen2. A text spells a special token only where a format brings it rendered, and in cases
with `special_tokens_in_text`: without that key Shoal differs on purpose.
"""

import copy
import json
import logging
import os
import sys
from types import SimpleNamespace

from axolotl import prompt_tokenizers as strategies, prompters
from axolotl.prompt_strategies import chat_template as axolotl_chat, completion as axolotl_completion, load
from axolotl.prompt_strategies.dpo import (
    chat_template as axolotl_pairs, chatml as axolotl_dpo, user_defined as axolotl_own_pairs)
from axolotl.prompt_strategies.kto import chatml as axolotl_kto, user_defined as axolotl_own_labels
from axolotl.prompt_strategies.orpo import chat_template as axolotl_orpo
from axolotl.prompt_tokenizers import AlpacaPromptTokenizingStrategy
from axolotl.prompters import AlpacaPrompter
from axolotl.utils.dict import DictDefault
from axolotl.utils.schemas.utils import handle_legacy_message_fields_logic
from datasets import Dataset, disable_progress_bars
from transformers import AutoTokenizer
from trl import DPOTrainer, KTOTrainer, SFTTrainer
from trl.chat_template_utils import qwen2_5_training_chat_template, qwen3_training_chat_template
from trl.data_utils import extract_prompt

IGNORED = -100
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Sources", "Corpus", "Templates")
TRAINING_TEMPLATES = {"qwen_25": qwen2_5_training_chat_template, "qwen3": qwen3_training_chat_template}


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
    record = case.get("meant", case["record"])
    record = {next((new for new, old in names.items() if old == key), key): value for key, value in record.items()}
    if case["kind"] == "pair":
        return prepared_pair(tokenizer, record)
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
        case.setdefault("chat_template", "qwen_25")
        trainer.chat_template = TRAINING_TEMPLATES[case["chat_template"]]
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
            keys={"message_property_mappings": {"role": "from", "content": "value"}}),
       case({"messages": [{"role": "Q", "content": "Sky?"}, {"role": "A", "content": "Blue."}]}, type="chat_template",
            keys={"roles": {"user": ["Q"], "assistant": ["A"]}})]
    + [case({"messages": messages, "chosen": chosen, "rejected": rejected}, type="chat_template", kind="pair")
       for messages, chosen, rejected in [
           (SKY, assistant("Blue."), assistant("Green.")), (ASKED, "\nBlue.", "Green."),
           (TALK[:3], TALK[:3] + [assistant("Yes.")], TALK[:3] + [assistant("No.")]),
           ([system("Be brief.")] + SKY, assistant("Blue."), assistant("Green."))]]
)


def axolotl(tokenizer, case):
    type, record, names = case["type"], copy.deepcopy(case["record"]), case.get("fields", {})
    if case["kind"] != "completion":
        name = type.removeprefix("chatml.") if isinstance(type, str) else None
        keys = case.get("keys", {})
        settings = DictDefault({"datasets": [keys], "chat_template": case.get("chat_template", "tokenizer_default")})
        if type in ("chat_template", "chat_template.argilla_chat"):
            make = axolotl_pairs.default if type == "chat_template" else axolotl_pairs.argilla_chat
            strings = make(settings)[0](case.get("meant", record), tokenizer=tokenizer)
        elif type == "chat_template.argilla":
            strings = axolotl_orpo.argilla(settings)(record, tokenizer=tokenizer)
        elif type == "passthrough":
            strings = record
        elif isinstance(type, dict):
            module = axolotl_own_pairs if case["kind"] == "pair" else axolotl_own_labels
            strings = module.default({"datasets": [{"type": type}]})(record)
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
    if not (type in ("chat_template", "sharegpt")):
        strategy = instruction_strategy(type, tokenizer, settings)
        row = strategy.tokenize_prompt(record)
        return [masked(row["input_ids"], row["labels"])]
    settings |= {"chat_template": case.get("chat_template", "tokenizer_default")}
    if "eot_tokens" in case:
        settings["eot_tokens"] = case["eot_tokens"]
    dataset = dict(case.get("keys", {}))
    if type == "sharegpt":
        dataset |= {"field_messages": "conversations", "message_property_mappings": {"role": "from", "content": "value"}}
    if names:
        dataset["field_messages"] = names["messages"]
    if dataset.get("field_thinking"):
        # axolotl's documentation has the key, but its configuration loses it.
        dataset["message_property_mappings"] = {
            "role": "role", "content": "content", dataset["template_thinking_key"]: dataset["field_thinking"]}
    dataset = handle_legacy_message_fields_logic(dataset)
    rows = axolotl_chat.load(tokenizer, settings, dataset).tokenize_prompt({key: [value] for key, value in record.items()})
    return [masked(rows["input_ids"][0], rows["labels"][0])]


HANDLERS = {
    "alpaca": (prompters.AlpacaPrompter, strategies.AlpacaPromptTokenizingStrategy),
    "explainchoice": (prompters.MultipleChoiceExplainPrompter, strategies.AlpacaMultipleChoicePromptTokenizingStrategy),
    "concisechoice": (prompters.MultipleChoiceConcisePrompter, strategies.AlpacaMultipleChoicePromptTokenizingStrategy),
    "summarizetldr": (prompters.SummarizeTLDRPrompter, strategies.SummarizeTLDRPromptTokenizingStrategy),
    "jeopardy": (prompters.JeopardyPrompter, strategies.JeopardyPromptTokenizingStrategy),
    "oasst": (prompters.AlpacaPrompter, strategies.OpenAssistantPromptTokenizingStrategy),
    "gpteacher": (prompters.GPTeacherPrompter, strategies.GPTeacherPromptTokenizingStrategy),
    "reflection": (prompters.ReflectAlpacaPrompter, strategies.AlpacaReflectionPTStrategy),
}


def instruction_strategy(type, tokenizer, settings):
    """As axolotl.utils.data.wrappers, which imports more than is installed."""
    if isinstance(type, dict):
        return load("user_defined", tokenizer, settings, dict(type))
    if strategy := load(type, tokenizer, settings, DictDefault({"type": type})):
        return strategy
    name, _, style = type.partition(":")
    prompter, strategy = HANDLERS[name]
    return strategy(prompter(style or None), tokenizer, settings.train_on_inputs, settings.sequence_len)


STYLES = ("", ":instruct", ":chat", ":chatml", ":phi")
INSTRUCTIONS = {
    **{f"{name}{style}": [{"instruction": "Name it.\n", "output": "Blue."},
                          {"instruction": "Name it.", "input": "Sky", "output": " Blue"}]
       for name, styles in [("alpaca", STYLES), ("alpaca_chat", ("", ".load", ".load_concise", ".load_no_prompt")),
                            ("alpaca_instruct", ("", ".load", ".load_no_prompt"))]
       for style in styles},
    **{f"alpaca_w_system{name}": [
        {"system": system, "instruction": "Name it.", **extra, "output": "Blue."}
        for system, extra in [("Be brief.", {}), ("Be brief.", {"input": "Sky"}), ("", {})]]
       for name in ("", ".load", ".load_instruct", ".load_chat")},
    **{name: [{"system_prompt": system, "question": "Sky?", "response": "Blue."} for system in ("Be brief.", "")]
       for name in ("alpaca_w_system.load_open_orca", "alpaca_w_system.load_open_orca_chatml", "orcamini")},
    "alpaca_chat.load_qa": [{"question": "Sky?", "answer": "Blue."}],
    "alpaca_chat.load_camel_ai": [{"message_1": "Sky?", "message_2": "Blue."}],
    **{f"gpteacher{style}": [{"instruction": "Name it.", "input": text, "response": "Blue."} for text in ("", "Sky")]
       for style in STYLES[:2]},
    **{f"oasst{style}": [{"INSTRUCTION": "Name it.", "RESPONSE": "Blue."}] for style in STYLES[:4]},
    **{f"jeopardy{style}": [{"question": "Its color", "category": "Sky", "answer": "blue"}] for style in STYLES[:3]},
    **{f"summarizetldr{style}": [{"article": "The sky is blue.", "summary": "Blue."}] for style in STYLES[:3]},
    **{f"{name}{style}": [{"question": "Sky?", "choices": ["blue", "green"], "solution": "Blue."},
                          {"question": "Sky?", "choices": ["blue"], "explanation": "It is."}]
       for name in ("explainchoice", "concisechoice") for style in STYLES[:3]},
    **{f"reflection{style}": [
        {"instruction": "Name it.", **extra, "output": "Green.", "reflection": "No.", "corrected": "Blue."}
        for extra in ({}, {"input": "Sky"})] for style in STYLES[:3]},
    **{f"context_qa{name}": [{"article": "The sky is blue.", "question": "Sky?", "unanswerable_question": "Sea?",
                              "context": "It is blue.", "answer": "Blue."}]
       for name in ("", ".load", ".load_404", ".load_v2")},
    "creative_acr.load_answer": [{"instruction": "Name it.", "answer": "Green.", "revision": "Blue."}],
    "metharme": [{"prompt": "<|user|>Sky?<|model|>", "generation": "Blue."}, {"prompt": "Sky?", "generation": "Yes.<|im_end|>"}],
    "pygmalion": [{"conversations": [
        {"role": "system", "value": "Be brief. \n<START>"}, {"role": "human", "value": " Sky?"},
        {"role": "bot", "value": "Blue. "}, {"role": "human", "value": "Sure?"}, {"role": "bot", "value": "Yes."}]}],
    "input_output": [
        {"segments": [{"label": False, "text": "Count: "}, {"label": True, "text": "1 "}, {"label": False, "text": "2"},
                      {"label": True, "text": " 3 4."}]},
        {"segments": [{"label": True, "text": "All of"}, {"label": True, "text": " it."}, {"label": False, "text": "no"}]}],
}
OWN = [
    {"field_instruction": "q", "field_output": "a", "format": "[{instruction}|{input}] ", "no_input_format": "[{instruction}] "},
    {"system_prompt": "Be brief.", "field_instruction": "q", "field_output": "a", "system_format": "<|im_start|>system\n{system}<|im_end|>\n",
     "format": "<|im_start|>user\n{instruction}\n{input}<|im_end|>\n<|im_start|>assistant\n",
     "no_input_format": "<|im_start|>user\n{instruction}<|im_end|>\n<|im_start|>assistant\n"},
    {"field_instruction": "q", "field_output": "a", "field_system": "s", "system_format": ""},
    {"field_instruction": "q", "field_output": "a", "format": "{{{instruction}}} {input}: "},
]
OWN_PAIRS = [
    {"field_prompt": "q", "field_chosen": "good", "field_rejected": "bad", "prompt_format": "Q: {prompt}\nA:"},
    {"field_prompt": "q", "field_chosen": "good", "field_rejected": "bad", "field_system": "s",
     "prompt_format": "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n",
     "chosen_format": "{chosen}<|im_end|>", "rejected_format": "{rejected}<|im_end|>\n"},
]
THOUGHT = {**assistant("It is blue."), "reasoning_content": "Light scatters."}
MARKED = [user("Sky?"), {**assistant("Green."), "train": False}, {**user("No."), "train": True},
          {**assistant("Blue."), "train": 1}]
PARTS = [{"type": "text", "text": "Let me see."}, {"type": "text", "text": " It is", "train": False},
         {"type": "text", "text": " blue.", "weight": 1}]
DETAIL = [user("Sky?"), {**assistant("I think it is blue."), "detail": [
    {"begin_offset": 0, "end_offset": 6, "train": False}, {"begin_offset": 7, "end_offset": 18, "train": True}]}]
TOOL = {"type": "function", "function": {
    "name": "color", "description": "The color of a thing.",
    "parameters": {"type": "object", "properties": {"thing": {"type": "string"}}, "required": ["thing"]}}}
CALL = {"type": "function", "function": {"name": "color", "arguments": {"thing": "sky"}}}
CALLS = SKY + [{"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "blue"},
               assistant("It is blue.")]


def written(messages):
    """The arguments of tool calls as texts."""
    messages = copy.deepcopy(messages)
    for call in (call for message in messages for call in message.get("tool_calls", [])):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return messages


TURNS = [case({"messages": messages, **extra}, type="chat_template", keys=keys, **settings)
         for messages, extra, keys, settings in [
             *[(TALK, {}, {key: ends}, {}) for ends in ("all", "last", "none") for key in ("train_on_eos", "train_on_eot")],
             *[(TALK + [user("Thanks.")], {}, {"train_on_eos": ends}, {}) for ends in ("all", "last", "turn", "none")],
             (TALK, {}, {"roles_to_train": ["user", "assistant"]}, {}), (TALK, {}, {"roles_to_train": ["human"]}, {}),
             (TALK, {}, {"train_on_eos": "none", "train_on_eot": "turn"}, {"eot_tokens": ["<|im_start|>"]}),
             (TALK, {}, {"train_on_eos": "all"}, {"eot_tokens": ["<|im_end|>"]}),
             (MARKED, {}, {"message_field_training": "train"}, {}), (MARKED, {}, {}, {}),
             (MARKED, {}, {"message_field_training": "train", "roles_to_train": [], "train_on_eos": "all"}, {}),
             (DETAIL, {}, {"message_field_training_detail": "detail"}, {}), (DETAIL, {}, {}, {}),
             (DETAIL, {}, {"message_field_training_detail": "detail", "roles_to_train": []}, {}),
             (SKY + [assistant(PARTS)], {}, {}, {}), ([user(PARTS[:1])] + [assistant(PARTS[:1])], {}, {}, {}),
             (SKY + [assistant(PARTS[1:])], {}, {"roles_to_train": []}, {}),
             ([system("Be brief.")] + TALK, {}, {"drop_system_message": True}, {}),
             (TALK, {"system": "Be brief."}, {"drop_system_message": True}, {}),
             ([{"role": "developer", "content": "Be brief."}] + TALK, {}, {
                 "roles": {"system": ["developer"], "user": ["user"], "assistant": ["assistant"]}}, {}),
             ([{"who": "user", "said": "Sky?"}, {"who": "assistant", "said": "Blue."}], {}, {
                 "message_field_role": "who", "message_field_content": "said"}, {}),
             (json.dumps(TALK), {}, {}, {}),
         ]]
TEMPLATED = [case({"messages": messages, **extra}, type="chat_template", keys=keys, chat_template=name)
             for messages, extra, keys, name in [
                 (CALLS, {"tools": [TOOL]}, {}, "qwen_25"), (written(CALLS), {"tools": json.dumps([TOOL])}, {}, "qwen_25"),
                 (CALLS, {"tools": [TOOL]}, {}, "qwen3"), (TALK, {"tools": []}, {}, "qwen_25"), (TALK, {"tools": "[]"}, {}, "qwen_25"),
                 (CALLS, {"tools": [TOOL]}, {"roles_to_train": ["assistant", "tool"], "train_on_eos": "all"}, "qwen_25"),
                 (SKY + [THOUGHT], {}, {}, "qwen3"),
                 (SKY + [assistant("<think>\nLight scatters.\n</think>\n\nIt is blue.")], {}, {"split_thinking": True}, "qwen3"),
                 (SKY + [{**assistant("It is blue."), "thought": "Light scatters."}], {}, {
                     "field_thinking": "thought", "template_thinking_key": "reasoning_content"}, "qwen3"),
                 (SKY + [{**assistant("It is blue."), "thought": "Light scatters."}], {}, {
                     "message_property_mappings": {"reasoning_content": "thought"}}, "qwen3"),
                 (SKY + [THOUGHT, user("Sure?"), THOUGHT], {}, {}, "qwen3"),
             ]]
MORE = (
    [case(record, type=type, **settings) for type, records in INSTRUCTIONS.items() for record in records
     for settings in ([{}, {"train_on_inputs": True}] if type in ("reflection", "pygmalion", "input_output", "alpaca:chatml") else [{}])]
    + [case(record, type=type) for type in OWN for record in [
        {"q": "Sky?", "a": "Blue."}, {"q": "Sky?", "input": "now", "a": " Blue", "s": "Be kind.", "system": "Be clear."}]]
    + [case({"q": "Sky?", "good": "Blue.", "bad": " green", **extra}, type=type, kind="pair")
       for type in OWN_PAIRS for extra in ({}, {"s": "Be brief."})]
    + [case({"q": "Sky?", "done": "Blue.", "ok": label}, type={
        "field_prompt": "q", "field_completion": "done", "field_label": "ok", "prompt_format": "[{prompt}]",
        "completion_format": " {completion}!"}, kind="labelled") for label in (True, False)]
    + TURNS + TEMPLATED
    + [case({"conversations": RENAMED, **extra}, type="sharegpt") for extra in ({}, {"system": "Be brief."})]
    + [case({"chosen": chosen, "rejected": chosen[:-1] + [assistant("\nGreen.")], **extra}, type=type, kind="pair")
       for type, chosens in [
           ("chatml.argilla_chat", [SKY + [assistant("Blue.")]]),
           ("chat_template.argilla_chat", [SKY + [assistant("Blue.")], [system("Be brief.")] + TALK]),
           ("chat_template.argilla", [SKY + [assistant("Blue.")], TALK])]
       for chosen in chosens
       for extra in ([{}, {"system": "Be brief."}] if type == "chat_template.argilla" else [{}])]
    + [case({"prompt": ASKED, "chosen": SKY + [assistant("Blue.")], "rejected": SKY + [assistant("Green.")]},
            type="chat_template.argilla", kind="pair")]
    + [case({"completion": SKY + [assistant("Blue.")], "label": label}, type="chatml.argilla_chat", kind="labelled")
       for label in (True, False)]
    + [case({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}, type="passthrough", kind="pair"),
       case({"messages": SKY, "chosen": assistant("Blue."), "rejected": assistant("Green."), "system": "Be brief."},
            type="chat_template", kind="pair",
            meant={"messages": [system("Be brief.")] + SKY, "chosen": assistant("Blue."), "rejected": assistant("Green.")})]
)


# MARK: TRL's formats in other forms

def meaning(record, meant, kind="completion", **settings):
    return case(record, kind=kind, meant=meant, **settings)


BLUE, GREEN = assistant("Blue."), assistant("Green.")
PAIR = {"prompt": SKY, "chosen": [BLUE], "rejected": [GREEN]}
NAMED = {"from": "gpt", "value": "Blue."}, {"from": "gpt", "value": "Green."}
BRIEF = {**PAIR, "prompt": [system("Be brief.")] + SKY}
FORMS = (
    [meaning(record, PAIR, "pair") for record in [
        {"prompt": SKY, "chosen": BLUE, "rejected": GREEN}, {"prompt": SKY[0], "chosen": [BLUE], "rejected": GREEN},
        {"prompt": ASKED, "chosen": [BLUE], "rejected": [GREEN]}, {"messages": SKY, "chosen": BLUE, "rejected": GREEN},
        {"messages": SKY, "chosen": "Blue.", "rejected": "Green."},
        {"instruction": ASKED, "input": "", "chosen": "Blue.", "rejected": "Green."},
        {"conversations": RENAMED[:1], "chosen": NAMED[0], "rejected": NAMED[1]},
        {"prompt": [user([{"type": "text", "text": "What color is"}, {"type": "text", "text": " the sky?"}])],
         "chosen": [assistant([{"type": "text", "text": "Blue."}])], "rejected": [GREEN]},
        {"prompt": SKY, "chosen": [{**BLUE, "tool_calls": None, "name": None}], "rejected": [GREEN], "tools": "[]"}]]
    + [meaning(record, BRIEF, "pair") for record in [
        {"system": "Be brief.", "instruction": ASKED, "chosen": "Blue.", "rejected": "Green."},
        {"system": "Be brief.", "conversations": RENAMED[:1], "chosen": NAMED[0], "rejected": NAMED[1]}]]
    + [meaning({"instruction": "What color", "input": "is it?", "history": [["Hi.", "Hello."]], "chosen": "Blue.", "rejected": "Green."},
               {**PAIR, "prompt": [user("Hi."), assistant("Hello."), user("What color\nis it?")]}, "pair")]
    + [meaning(record, {"prompt": SKY, "completion": [BLUE], "label": True}, "labelled") for record in [
        {"messages": SKY + [BLUE], "label": True}, {"messages": SKY + [BLUE], "kto_tag": True},
        {"prompt": ASKED, "completion": BLUE, "label": 1}, {"instruction": ASKED, "input": "", "output": "Blue.", "kto_tag": True},
        {"conversations": RENAMED[:1] + [NAMED[0]], "kto_tag": 1}]]
    + [meaning({"prompt": ASKED, "completion": BLUE}, {"prompt": SKY, "completion": [BLUE]})]
)
TOOLS = [
    case({**PAIR, "tools": [TOOL]}, kind="pair", chat_template="qwen_25"),
    case({"prompt": CALLS[:1], "chosen": CALLS[1:], "rejected": [GREEN], "tools": json.dumps([TOOL])}, kind="pair",
         chat_template="qwen_25"),
    case({**PAIR, "chat_template_kwargs": {"enable_thinking": False}}, kind="pair", chat_template="qwen3"),
    case({"messages": CALLS, "tools": [TOOL]}, chat_template="qwen_25"),
    case({"prompt": CALLS[:1], "completion": CALLS[1:2], "tools": [TOOL]}, chat_template="qwen_25"),
    case({"prompt": CALLS[:1], "completion": CALLS[1:2], "label": True, "tools": [TOOL]}, kind="labelled", chat_template="qwen_25"),
    case({"messages": SKY + [{"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]},
         chat_template="qwen_25"),
]


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
    return prepared_pair(tokenizer, record)


def prepared_pair(tokenizer, record):
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
        own = tokenizer.chat_template
        for cases, run in [(TRL, trl), (AXOLOTL, axolotl), (MORE, axolotl), (FORMS, trl), (TOOLS, trl), (PREFILLED, prefilled),
                           (PARSED, parsed)]:
            for case in cases:
                tokenizer.eos_token = case.get("eos_token", "<|im_end|>")
                tokenizer.chat_template = own
                if name := case.get("chat_template"):
                    with open(os.path.join(TEMPLATES, f"{name}.jinja"), encoding="utf-8") as file:
                        tokenizer.chat_template = file.read()
                expected = run(tokenizer, case)
                assert expected, case
                out.write(json.dumps({**case, "expected": expected}) + "\n")


if __name__ == "__main__":
    main()
