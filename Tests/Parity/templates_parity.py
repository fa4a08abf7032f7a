"""Compares chat templates as Shoal renders them with transformers' rendering, text by text.

Every template of the given files with 36 chats: system messages, several turns, tools, tool calls, reasoning, content
parts, empty texts, Unicode, unknown roles, each with and without the header of an answer. Both may refuse.

usage: templates_parity.py TEMPLATE_TEXTS FILE.jinja …   (needs transformers==5.23.0)
       TEMPLATE_TEXTS is .build/release/template-texts, which `swift build -c release --build-tests` makes
       trl and axolotl bring about a hundred templates of many families as .jinja files
"""
import json
import pathlib
import subprocess
import sys
import warnings

from transformers.utils.chat_template_utils import _compile_jinja_template

warnings.filterwarnings("ignore")
CITY = {"type": "string", "description": "Stadt é", "enum": ["a", "b"]}
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather <now> & 'then'",
    "parameters": {"type": "object", "properties": {"city": CITY, "n": {"type": ["integer", "null"], "default": 1.0}},
                   "required": ["city"]}, "return": {"type": "string"}}}]
CALL = [{"type": "function", "id": "abc123456", "function": {
    "name": "get_weather", "arguments": {"city": "Oslo", "n": 3, "f": 1.5, "x": None, "t": True, "l": [1, "é"]}}}]


def turn(role, content, **more):
    return dict(role=role, content=content, **more)


def chats():
    user, answer, system = (lambda text, role=role, **more: turn(role, text, **more)
                            for role in ("user", "assistant", "system"))
    yield [user("Hi")], {}
    yield [system("Be brief."), user("Hi"), answer("Yo"), user("Bye")], {}
    yield [user("  Hi \n there  "), answer("<think>\nhm\n</think>\n\nAnswer"),
           user("é 中文 😀 \"q\" 'a' {{ x }} {% y %} <|im_end|>")], {}
    yield [user("w?"), answer("", tool_calls=CALL), turn("tool", "{\"t\": 3}", name="get_weather", tool_call_id="abc123456"),
           answer("3 degrees")], {"tools": TOOLS}
    yield [system("s"), user("w?"), answer("thinking", tool_calls=CALL * 2), turn("tool", "1"), turn("tool", "2"),
           user("and?")], {"tools": TOOLS}
    yield [user("w?")], {"tools": TOOLS}
    yield [system("s"), user("w?")], {"tools": []}
    yield [user(""), answer("")], {}
    yield [system(""), user("x"), answer("y"), user("z"), answer("w")], {}
    yield [user("x"), answer("y", reasoning_content="because")], {"enable_thinking": False}
    yield [user("x"), answer("y", reasoning_content="because"), user("z")], {"enable_thinking": True}
    yield [user([{"type": "text", "text": "part one"}, {"type": "text", "text": "two"}]),
           answer([{"type": "text", "text": "ans"}])], {}
    yield [user("a"), user("b"), answer("c")], {}
    yield [answer("first"), user("b")], {}
    yield [user("x"), answer(None, tool_calls=CALL)], {"tools": TOOLS}
    yield [turn("developer", "d"), user("x")], {}
    yield [], {}
    yield [user("line\r\nbreak\ttab\x00 z\u2028y"), answer("a\n\n\nb")], {
        "custom_system": "C", "documents": [{"title": "T", "text": "body"}]}


def main():
    program, files = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
    always = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "tools": None,
              "documents": None}
    requests, expected = [], []
    for file in files:
        text = file.read_text()
        try:
            compiled = _compile_jinja_template(text)
        except Exception as error:
            compiled, reason = None, error
        for messages, variables in chats():
            for header in (False, True):
                variables = {**always, **variables, "add_generation_prompt": header}
                requests.append({"template": text, "messages": messages, "variables": variables})
                try:
                    if compiled is None:
                        raise reason
                    expected.append((file, compiled.render(messages=messages, **variables)))
                except Exception as error:
                    expected.append((file, error))
    lines = subprocess.run([program], input="".join(json.dumps(request) + "\n" for request in requests),
                           capture_output=True, text=True, check=True).stdout.split("\n")
    equal = refused = 0
    different = {}
    for (file, want), line in zip(expected, lines, strict=False):
        found = json.loads(line)
        if found.get("text") == want:
            equal += 1
        elif "error" in found and isinstance(want, Exception):
            refused += 1
        else:
            different.setdefault(file, []).append((want, found))
    for file, cases in different.items():
        want, found = cases[0]
        print(f"{file}: {len(cases)} differ, first:\n  transformers {want!r:.300}\n  Shoal        {found!r:.300}")
    count = sum(map(len, different.values()))
    print(f"{len(files)} templates, {len(requests)} texts: {equal} equal, {refused} refused by both, {count} differ")
    sys.exit(count > 0)


if __name__ == "__main__":
    main()
