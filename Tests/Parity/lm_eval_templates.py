"""Compares renderings of lm-eval's own templates with jinja2's, and counts which task files are read.

usage: lm_eval_templates.py TEMPLATE_TEXTS
needs: lm-eval==0.4.13. TEMPLATE_TEXTS is .build/release/template-texts (`swift build -c release --product template-texts`).

Every template of a task file that names no function is rendered for a few made-up documents, whose fields are those that
the template asks for; where jinja2 gives a text, Shoal must give the same, and where it refuses, Shoal must refuse.
"""

import glob
import json
import os
import subprocess
import sys

import jinja2.meta
import lm_eval
import yaml
from lm_eval.utils import apply_template, env

TASKS = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")
FIELDS = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")
TEXTS = [" some text, with: a 12 ", "B", "3", "yes no_maybe", "A) one\nB) two"]
LISTED = {"text": ["t1", "it's", "t3", "t4", "t5"], "label": ["A", "B", "C", "D", "3"]}


class Loader(yaml.CSafeLoader):
    """Functions as mappings, so that they are seen."""


Loader.add_constructor("!function", lambda loader, node: {"!function": loader.construct_scalar(node)})


def load(path, seen=()):
    with open(path) as file:
        task = yaml.load(file, Loader=Loader)
    if not isinstance(task, dict):
        return {}
    includes = task.pop("include", [])
    merged = {}
    for name in includes if isinstance(includes, list) else [includes]:
        included = os.path.join(os.path.dirname(path), name)
        if os.path.exists(included) and included not in seen:
            merged.update(load(included, seen + (path,)))
    return {**merged, **task}


def names_function(value):
    if isinstance(value, dict):
        return "!function" in value or any(map(names_function, value.values()))
    return isinstance(value, list) and any(map(names_function, value))


def documents(names):
    """Documents in which fields are texts, lists, mappings or numbers, by place or by name."""
    for shift in range(2):
        yield {name: TEXTS[(place + shift) % len(TEXTS)] for place, name in enumerate(names)}
    yield {name: ["x y", "B's", "c"] for name in names}
    yield {name: LISTED for name in names}
    yield {name: place % 3 for place, name in enumerate(names)}
    yield {name: LISTED if "choice" in name or "option" in name else TEXTS[1 + place % 2]
           for place, name in enumerate(names)}
    for lists in (("choice", "option", "answers", "list", "s"), ("choice", "option", "answers", "cand")):
        yield {name: ["u", "v w", "x", "y", "z"] if any(word in name for word in lists)
               else 1 if any(word in name for word in ("label", "idx", "gold", "answer", "target"))
               else TEXTS[place % len(TEXTS)] for place, name in enumerate(names)}


def main(program):
    templates = {}
    count = 0
    for path in sorted(glob.glob(TASKS + "/**/*.yaml", recursive=True)):
        task = load(path)
        if not isinstance(task.get("task"), str) or "doc_to_target" not in task or names_function(task):
            continue
        count += 1
        templates.update({task[field]: None for field in FIELDS if isinstance(task.get(field), str)})
    cases = []
    for template in templates:
        for document in documents(sorted(jinja2.meta.find_undeclared_variables(env.parse(template)))):
            try:
                text = apply_template(template, document)
            except Exception:
                text = None
            cases.append((template, document, text))
    lines = "".join(json.dumps({"template": t, "document": d}, ensure_ascii=False) + "\n" for t, d, _ in cases)
    found = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = [(case, answer) for case, answer in zip(cases, found, strict=True) if json.loads(answer).get("text") != case[2]]
    for (template, document, text), answer in wrong[:20]:
        print(repr(template[:200]), document, repr(text), answer)
    print(f"{count} task files without functions, {len(templates)} templates, {len(cases)} renderings, "
          f"{sum(c[2] is not None for c in cases)} with a text, {len(wrong)} differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
