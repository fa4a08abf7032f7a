"""What transformers renders with the models' own templates and axolotl's: system messages, turns, tools, tool calls.

usage: named_templates.py AXOLOTL_CHECKOUT
needs: transformers==5.23.0; a checkout of axolotl 0.19.

Writes named_templates.json: for each template of Shoal the chats, and the text of each, or null where the template
refuses it. The templates in Sources/Corpus/Templates are Shoal's own words for the same texts.
"""

import json
import os
import random
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "<now> & 'then'",
                                           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
CONTENTS = ["Hi", "\n\nYes.\n", "", "<think>\nWell.\n</think>\n\nÉté", "<tool_response>5</tool_response>"]


def message(rng, role, has_tools):
    if role == "call":
        calls = [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich", "n": number}}}
                 for number in range(rng.randint(1, 2))]
        return {"role": "assistant", "content": rng.choice(["", "I look."]), "tool_calls": calls}
    made = {"role": role, "content": rng.choice(CONTENTS)}
    if role == "assistant" and has_tools and rng.random() < 0.2:
        made["reasoning_content"] = "Hm.\n"
    return made


def cases(rng, name, text):
    has_tools = name in ("qwen_25", "qwen3")
    roles = ["user", "assistant", "system"] + (["tool", "call"] if has_tools else [])
    template = _compile_jinja_template(text)
    for _ in range(40):
        case = {"messages": [message(rng, rng.choice(roles), has_tools) for _ in range(rng.randint(1, 6))],
                "tools": TOOLS if has_tools and rng.random() < 0.5 else None,
                "variables": {"enable_thinking": False} if name == "qwen3" and rng.random() < 0.3 else {}}
        try:
            rendered = template.render(messages=case["messages"], tools=case["tools"], documents=None,
                                       add_generation_prompt=True, **case["variables"])
        except Exception:
            rendered = None
        yield {**case, "text": rendered}


def main():
    axolotl = os.path.join(sys.argv[1], "src/axolotl/utils/chat_templates/templates")
    texts = {name: open(os.path.join(axolotl, name + ".jinja")).read() for name in ("chatml", "qwen3")}
    with open(os.path.join(HERE, "tokenizer/tokenizer_config.json")) as file:
        texts["qwen"] = json.load(file)["chat_template"]
    texts["qwen_25"] = open(os.path.join(HERE, "tokenizer/qwen2_5.jinja")).read()
    rng = random.Random(3)
    made = {name: list(cases(rng, name, text)) for name, text in texts.items()}
    with open(os.path.join(HERE, "named_templates.json"), "w") as file:
        json.dump(made, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
