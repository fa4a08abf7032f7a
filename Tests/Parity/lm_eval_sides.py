"""Both sides of lm_eval_parity.py and lm_eval_speed.py: tasks' files, lm-eval's own hf model, `shoal evaluate`."""
import contextlib
import io
import json
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Fixtures"))
import lm_eval
import yaml
from lm_eval.models.huggingface import HFLM
from lm_eval_documents import DOCUMENTS, mmlu
from lm_eval_tasks import EXTRA, FILES, MANAGER, task as local_task
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from lm_eval_items import Items

disable_progress_bar()
SUBJECTS = ["anatomy", "astronomy", "world_religions"]
FILES.update({f"mmlu_{subject}": f"mmlu/default/mmlu_{subject}.yaml" for subject in SUBJECTS})
# ":red" is one token of Qwen's, and an answer without tokens of its own is refused by both sides.
EXTRA["colors"]["target_delimiter"] = "\n"
BUILT_IN = ["hellaswag", "winogrande", "arc_easy", "arc_challenge", "piqa", "openbookqa", "boolq", "lambada_openai",
            "mmlu", "gsm8k", "gsm8k_cot", "humaneval"]
OWN = ["texts", "colors", "letters", "words"]  # through --task-file
ANSWERED = ["gsm8k", "gsm8k_cot", "humaneval", "letters", "words"]


def parts(name):
    """lm-eval's tasks of one of shoal's."""
    return [f"mmlu_{subject}" for subject in SUBJECTS] if name == "mmlu" else [name]


# --- documents -------------------------------------------------------------------------------------

def write(path, documents):
    with open(path, "w") as file:
        file.writelines(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)


def write_documents(directory, names, count, programs, data, seed=5):
    """TASK.jsonl for every task of either side: hand-made documents, those of `data`, and made-up ones."""
    for name in names:
        items = Items(f"{seed} {name}")
        whole = []
        for part in parts(name):
            subject = part.removeprefix("mmlu_")
            documents = mmlu(subject) if name == "mmlu" else list(DOCUMENTS[part])
            if name in data:
                with open(data[name]) as file:
                    documents += [json.loads(line) for line in file]
            if name == "mmlu":
                documents += [items.mmlu(number, subject) for number in range(-(-count // len(SUBJECTS)))]
            elif hasattr(items, name):
                wanted = programs if name == "humaneval" else count
                documents += [getattr(items, name)(number) for number in range(wanted)]
            write(os.path.join(directory, part + ".jsonl"), documents)
            whole += documents
        write(os.path.join(directory, name + ".jsonl"), whole)
        if name in EXTRA:
            file = os.path.join(directory, name + ".jsonl")
            own = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": file}}, **EXTRA[name]}
            with open(os.path.join(directory, name + ".yaml"), "w") as file:
                yaml.safe_dump(own, file, allow_unicode=True)


# --- lm-eval ---------------------------------------------------------------------------------------

def passes(program):
    return subprocess.run(
        [sys.executable, "-I", "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=20).returncode == 0


def pass_at_k(references, predictions, k):
    """In place of lm-eval's, which comes from the hub; of one program each."""
    return {f"pass@{n}": float(passes(predictions[0][0] + "\n" + references[0])) for n in k}


def task(name, directory):
    config = local_task(name, directory)
    if name == "humaneval":
        config["metric_list"][0]["metric"] = pass_at_k
    return config


def harness_model(model, adapter=None, dtype="float32", batch=1):
    """lm-eval's hf model; one with an adapter keeps the rows of its embeddings that no token of the tokenizer has.

    With `peft=` lm-eval cuts these off, and so changes every log-prob against the same model without an adapter.
    """
    tokenizer = AutoTokenizer.from_pretrained(model)
    if not adapter or AutoConfig.from_pretrained(model).vocab_size == len(tokenizer):
        return HFLM(pretrained=model, peft=adapter, dtype=dtype, device="cpu", batch_size=batch)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    return HFLM(pretrained=PeftModel.from_pretrained(base, adapter).eval(), tokenizer=tokenizer, batch_size=batch)


def harness(lm, configs, shots, chat, **settings):
    """What lm-eval finds; `chat` is text, chat (examples in the one question) or turns."""
    with contextlib.redirect_stdout(io.StringIO()):
        return lm_eval.simple_evaluate(
            lm, tasks=configs, task_manager=MANAGER, num_fewshot=shots, apply_chat_template=chat != "text",
            fewshot_as_multiturn=chat == "turns", confirm_run_unsafe_code=True, log_samples=True, **settings)


# --- shoal -----------------------------------------------------------------------------------------

def shoal_command(binary, model, directory, names, shots, chat, out, *, adapter=None, threads=None, limit=None):
    command = [binary, "evaluate", "--model", model, "--out", out + ".json", "--samples", out, "--overwrite",
               "--num-fewshot", str(shots)]
    for name in names:
        file = os.path.join(directory, name)
        command += ["--task-file", file + ".yaml"] if name in EXTRA else ["--task", f"{name}={file}.jsonl"]
    command += ["--allow-code-execution"] * ("humaneval" in names)
    command += ["--apply-chat-template"] * (chat != "text")
    command += ["--no-fewshot-as-multiturn"] * (chat == "chat")
    for key, value in (("--adapter", adapter), ("--threads", threads), ("--limit", limit)):
        command += [key, str(value)] if value else []
    return command


def shoal(command, out, launch=()):
    """The results, and the samples by task."""
    found = subprocess.run([*launch, *command], capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"{shlex.join(command)}: exit {found.returncode}\n{found.stdout[-500:]}{found.stderr[-3000:]}")
    with open(out + ".json") as file:
        results = json.load(file)
    samples = {}
    for name in results["configs"]:
        with open(os.path.join(out, f"samples_{name}.jsonl")) as file:
            samples[name] = [json.loads(line) for line in file]
    return results, samples
