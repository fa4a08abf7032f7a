"""Lists the keys of axolotl's schema, and those that docs/configuration.md does not classify.

    python3 Tests/Parity/axolotl_keys.py AXOLOTL_CHECKOUT            # what is not classified; exit 1 if anything
    python3 Tests/Parity/axolotl_keys.py AXOLOTL_CHECKOUT --write    # Tests/Fixtures/axolotl_keys.txt anew

Only reads sources: axolotl need not be installed. Made from commit 067b021c8b87 (2026-07-24).
"""

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = ROOT / "Tests/Fixtures/axolotl_keys.txt"
# Classes whose fields are keys of a file's top level; what a mapping inside holds belongs to that mapping's key.
TOP = {
    "AxolotlInputConfig", "ModelInputConfig", "ModelOutputConfig", "LoraConfig", "ReLoRAConfig", "JaggedLRConfig",
    "HyperparametersConfig", "WandbConfig", "MLFlowConfig", "CometConfig", "TrackioConfig", "OpenTelemetryConfig",
    "LISAConfig", "GradioConfig", "RayConfig", "MultiModalConfig", "RemappedParameters", "DeprecatedParameters",
    "SwanLabConfig", "MoraArgs",
}
DATA = {"SFTDataset", "PretrainingDataset", "DPODataset", "StepwiseSupervisedDataset", "KTODataset", "SyntheticDataset"}
INNER = {"TRLConfig": "trl", "SpecialTokensConfig": "special_tokens"}


def fields(node):
    """The names of a pydantic class's fields, and the other names (aliases) under which a file may give them."""
    for item in node.body:
        if not (isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)):
            continue
        yield item.target.id
        for call in ast.walk(item):
            if isinstance(call, ast.Call):
                for word in call.keywords:
                    if word.arg == "alias" and isinstance(word.value, ast.Constant):
                        yield word.value.value


def keys(checkout):
    source = pathlib.Path(checkout) / "src/axolotl"
    found = set()
    files = sorted(source.glob("utils/schemas/*.py")) + sorted(source.glob("integrations/*/args.py"))
    for path in files:
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef):
                continue
            integration = path.name == "args.py" and node.name.endswith("Args")
            if node.name in TOP or integration:
                found |= set(fields(node))
            elif node.name in DATA:
                found |= {f"datasets.{name}" for name in fields(node)}
            elif node.name in INNER:
                found |= {f"{INNER[node.name]}.{name}" for name in fields(node)}
    return sorted(found)


def classified():
    """The names in docs/configuration.md; `name*` is any that begins so. Those of data sets have a prefix."""
    top, prefix = set(), ""
    owners = {"a data set": "datasets.", "running text": "datasets.", "special tokens": "special_tokens."}
    for line in (ROOT / "docs/configuration.md").read_text().splitlines():
        if line.startswith("## "):
            prefix = owners.get(line[3:].lower(), "")
        elif match := re.match(r"In (?:`(\w+)`.*|(.*)):$", line):
            prefix = f"{match[1]}." if match[1] else owners[match[2]]
            top.add("trl.beta")
        if line.startswith("| `"):
            line = line.split(" | ")[0]
        top |= {prefix + name for name in re.findall(r"`([\w*]+)`", line)}
    return top


def main():
    names = keys(sys.argv[1])
    if "--write" in sys.argv[2:]:
        LIST.write_text("".join(f"{name}\n" for name in names))
    known = classified()
    stems = tuple(name[:-1] for name in known if name.endswith("*"))
    missing = [name for name in names if name not in known and not name.startswith(stems)]
    print("\n".join(missing))
    print(f"{len(names)} keys, {len(missing)} of them not classified", file=sys.stderr)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
