"""What lm-evaluation-harness makes of hand-made documents: prompts, token ids, metrics, samples.

usage: lm_eval_tasks.py TOKENIZER_DIR OUT_DIR
needs: lm-eval==0.4.13 transformers==5.24.0 datasets==5.2.0 jinja2==3.1.6

The model is no model: a log-likelihood and an answer are hashes of the ids, so every number here is the harness's own.
For each task OUT_DIR/TASK.jsonl has the documents, and OUT_DIR/cases.jsonl one line for each task, number of examples and
kind of prompt: results, the first and the last prompt, the first ids; arguments, ids and answers of all requests as the
first 16 digits of their SHA-256.
"""

import copy
import hashlib
import json
import logging
import os
import sys
import tempfile

os.environ["HF_ALLOW_CODE_EVAL"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DISABLE_MULTIPROC"] = "1"
import lm_eval
from datasets import disable_progress_bars
from lm_eval.api.model import TemplateLM
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml
from lm_eval.utils import get_rolling_token_windows, handle_non_serializable, make_disjoint_window, sanitize_list
from transformers import AutoTokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lm_eval_documents import ANSWERS, DOCUMENTS, POOLS

logging.disable(logging.WARNING)
disable_progress_bars()
TASKS = os.path.join(os.path.dirname(lm_eval.__file__), "tasks")
FILES = {
    "hellaswag": "hellaswag/hellaswag.yaml", "winogrande": "winogrande/default.yaml", "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml", "piqa": "piqa/piqa.yaml", "openbookqa": "openbookqa/openbookqa.yaml",
    "boolq": "super_glue/boolq/default.yaml", "lambada_openai": "lambada/lambada_openai.yaml",
    "mmlu_anatomy": "mmlu/default/mmlu_anatomy.yaml", "gsm8k": "gsm8k/gsm8k.yaml", "gsm8k_cot": "gsm8k/gsm8k-cot.yaml",
    "mmlu_world_religions_continuation": "mmlu/continuation/mmlu_world_religions.yaml",
    "humaneval": "humaneval/humaneval.yaml",
}
LENGTH = 1200
MANAGER = TaskManager()


def unit(*parts):
    """A number in [0, 1) of some ids."""
    digest = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class FakeModel(TemplateLM):
    """Answers by hashes of ids."""

    backend = "causal"
    tokenizer_name = "fixture"

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        self.requests = []

    eot_token_id = property(lambda self: self.tokenizer.eos_token_id)
    prefix_token_id = HFLM.prefix_token_id
    custom_prefix_token_id = None
    add_bos_token = None
    chat_template_args = {}
    max_length = LENGTH
    tok_encode = HFLM.tok_encode
    apply_chat_template = HFLM.apply_chat_template

    def _loglikelihood_tokens(self, requests, **kwargs):
        results = []
        for _, context, continuation in requests:
            ids = (context + continuation)[-(self.max_length + 1):]
            context = ids[:len(ids) - len(continuation)]
            self.requests.append([context, continuation])
            parts = [-10 * unit(context, continuation[:place + 1]) for place in range(len(continuation))]
            results.append((sum(parts), unit(continuation, context) < 0.5))
        return results

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        results = []
        for request in requests:
            windows = list(map(make_disjoint_window, get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]), prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length, context_len=1)))
            results.append(sum(x[0] for x in self._loglikelihood_tokens([(None,) + x for x in windows])))
        return results

    def generate_until(self, requests, disable_tqdm=False):
        eos = self.tokenizer.decode(self.eot_token_id, skip_special_tokens=False)
        results = []
        for request in requests:
            context, settings = request.args
            kwargs = normalize_gen_kwargs(settings, 256)
            until = handle_stop_sequences(kwargs["until"], eos=eos)
            ids = self.tok_encode(context)[-(self.max_length - kwargs["max_gen_toks"]):]
            self.requests.append([ids, kwargs["max_gen_toks"]])
            answer = ANSWERS[int(unit(ids) * len(ANSWERS))]
            answer = self.tokenizer.decode(self.tokenizer.encode(answer), skip_special_tokens=True)
            results.append(postprocess_generated_text(answer, until, None))
        return results


def task(name, directory, **changes):
    """The configuration of the harness's task with local files."""
    config = copy.deepcopy(EXTRA[name]) if name in EXTRA else load_yaml(
        os.path.join(TASKS, FILES[name]), resolve_func=name != "humaneval")
    if name == "humaneval":
        # Its own functions come from the hub and run the programs.
        config["metric_list"][0]["metric"] = pass_at_k
        config["filter_list"][0]["filter"][0]["filter_fn"] = build_predictions
    config["task"] = name
    config["dataset_path"] = "json"
    config.pop("dataset_name", None)
    config.pop("tag", None)
    data = {"test": os.path.join(directory, name + ".jsonl")}
    if changes.pop("pool", False):
        data["train"] = os.path.join(directory, name + ".pool.jsonl")
        split = config.get("fewshot_split") or config.get("training_split")
        # The harness's names of splits decide whether a document may be its own example.
        data = {config.get("test_split") or config.get("validation_split"): data["test"], split: data["train"]}
        for key in ("training_split", "validation_split", "test_split"):
            if config.get(key) not in data:
                config.pop(key, None)
    elif "samples" not in (config.get("fewshot_config") or {}):
        config.update(training_split=None, validation_split=None, test_split="test", fewshot_split="test")
    config["dataset_kwargs"] = {"data_files": data}
    return config


EXTRA = {
    "texts": {
        "output_type": "loglikelihood_rolling", "test_split": "test", "doc_to_text": "", "doc_to_target": "{{text}}",
        "metric_list": [{"metric": m} for m in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
        "metadata": {"version": 1},
    },
    "colors": {
        "output_type": "multiple_choice", "test_split": "test", "fewshot_split": "test",
        "doc_to_text": "{% if hint %}\n  {{hint}}\n{% endif %}Q: {{question | trim}}\n",
        "doc_to_choice": "{{ [options[0], options[1]] + options[2:] }}", "doc_to_target": "{{options.index(color)}}",
        "target_delimiter": "", "fewshot_delimiter": "\n###\n", "description": "Colors of {{question.split(' ')[-1]}}",
        "gen_prefix": "A:", "fewshot_config": {"sampler": "first_n"},
        "metric_list": [{"metric": m} for m in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")],
        "metadata": {"version": "1.5"},
    },
    "pairs": {
        "output_type": "multiple_choice", "test_split": "test", "fewshot_split": "test",
        "doc_to_text": "{{first}} {{second | regex_replace('[0-9]+', '#')}}", "doc_to_choice": ["no", "yes"],
        "doc_to_target": "same", "metric_list": [{"metric": m} for m in ("f1", "mcc", "acc", "brier_score")],
        "metadata": {"version": 0},
    },
    "letters": {
        "output_type": "generate_until", "test_split": "test", "fewshot_split": "test",
        "doc_to_text": "{{question}}\n{% for c in choices %}{{ 'ABCDE'[loop.index0] }}) {{ c }}\n{% endfor %}Answer:",
        "doc_to_target": "({{ 'ABCDE'[answer] }})", "repeats": 2, "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 9},
        "filter_list": [
            {"name": "flexible", "filter": [
                {"function": "multi_choice_regex", "group_select": -1, "ignore_case": True, "ignore_punctuation": True,
                 "regex_pattern": r"(\([A-Z]\))", "regexes_to_ignore": ["the "]}, {"function": "take_first"}]},
            {"name": "vote", "filter": [{"function": "map", "mapping_dict": {"12": "(A)", "cat": "(B)"}, "default_value": "?"},
                                        {"function": "majority_vote"}, {"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match", "ignore_case": True}], "metadata": {"version": 1},
    },
    "words": {
        "output_type": "generate_until", "test_split": "test", "fewshot_split": "test", "num_fewshot": 1,
        "doc_to_text": "Spell: {{word}}", "doc_to_target": "{{answers}}", "gen_prefix": "It is",
        "generation_kwargs": {"max_gen_toks": 12, "until": "."},
        "filter_list": [
            {"name": "trimmed", "filter": [{"function": "remove_whitespace"}, {"function": "lowercase"},
                                           {"function": "take_first"}]},
            {"name": "number", "filter": [
                {"function": "regex", "regex_pattern": r"(?i)(?<!\w)(?:answer|is)\W+(-?\d[\d,]*)", "fallback": "none"},
                {"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True,
                         "ignore_case": True, "ignore_punctuation": True, "ignore_numbers": False}],
        "metadata": {"version": 2.0},
    },
}


def passes(program):
    return int(hashlib.sha256(program.encode()).hexdigest()[:2], 16) < 128


def pass_at_k(references, predictions, k):
    return {f"pass@{n}": float(sum(passes(p + "\n" + references[0]) for p in predictions[0]) >= n) for n in k}


def build_predictions(resps, docs):
    return [[doc["prompt"] + r for r in resp] for resp, doc in zip(resps, docs)]


def dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def short(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def case(model, directory, name, shots, chat, **settings):
    pool = settings.pop("pool", False)
    config = task(name, directory, pool=pool)
    model.requests = []
    settings.setdefault("bootstrap_iters", 200 if name == "pairs" else 3000)
    results = lm_eval.simple_evaluate(
        model, tasks=[config], task_manager=MANAGER, num_fewshot=shots, apply_chat_template=chat != "text",
        fewshot_as_multiturn=chat == "turns", confirm_run_unsafe_code=True, log_samples=True, **settings)
    samples = results["samples"][name]
    expected = {
        "metrics": results["results"][name], "n-shot": results["n-shot"][name], "n-samples": results["n-samples"][name],
        "higher_is_better": results["higher_is_better"][name], "version": results["versions"][name],
        "arguments": [short(dumps(sample["arguments"])) for sample in samples],
        "first": samples[0]["arguments"][0][0],
        "ids": short(dumps(sorted(model.requests))),
        "hashes": short(dumps([[sample[k] for k in ("doc_hash", "prompt_hash", "target_hash")] for sample in samples])),
        "filtered": short(dumps([sanitize_list(sample["filtered_resps"]) for sample in samples])),
    }
    if shots != 5 and chat != "chat":
        expected["first_ids"] = model.requests[0]
    if chat != "chat":
        expected["last"] = samples[-1]["arguments"][-1][0]
    if shots == 0 and chat == "text":
        expected["values"] = [{metric: sample[metric] for metric in sample["metrics"]} for sample in samples]
        expected["resps"] = [sanitize_list(sample["resps"]) for sample in samples[:2]]
    print(name, shots, chat, settings, flush=True)
    return {"task": name, "shots": shots, "chat": chat, "pool": pool, **settings, "expected": expected}


def main(tokenizer_directory, out):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_directory)
    if not tokenizer.chat_template:
        with open(os.path.join(tokenizer_directory, "qwen2_5.jinja")) as file:
            tokenizer.chat_template = file.read()
    os.makedirs(out, exist_ok=True)
    for name, documents in DOCUMENTS.items():
        with open(os.path.join(out, name + ".jsonl"), "w") as file:
            for document in documents:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
    for name, documents in POOLS.items():
        with open(os.path.join(out, name + ".pool.jsonl"), "w") as file:
            for document in documents:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
    model = FakeModel(tokenizer)
    cases = []
    for name in list(FILES) + list(EXTRA):
        locked = name == "texts"
        for shots in (0,) if locked or name == "humaneval" else (0, 5) if name != "words" else (None, 2):
            for chat in ("text",) if locked else ("text", "chat", "turns"):
                cases.append(case(model, out, name, shots, chat))
    for name in ("hellaswag", "arc_easy", "gsm8k", "boolq"):
        cases.append(case(model, out, name, 3, "text", pool=True))
    cases.append(case(model, out, "arc_challenge", 2, "text", limit=3))
    cases.append(case(model, out, "piqa", 2, "text", limit=0.5, fewshot_random_seed=7))
    cases.append(case(model, out, "openbookqa", 2, "turns", system_instruction="Be brief.", fewshot_random_seed=42))
    cases.append(case(model, out, "mmlu_anatomy", 2, "chat", system_instruction="Be brief.\n"))
    cases.append(case(model, out, "gsm8k", None, "text", limit=2))
    with open(os.path.join(out, "cases.jsonl"), "w") as file:
        for entry in cases:
            file.write(json.dumps(entry, default=handle_non_serializable, ensure_ascii=False) + "\n")
    with open(os.path.join(out, "tasks.json"), "w") as file:
        json.dump({"answers": ANSWERS, "tasks": EXTRA}, file, indent=1, ensure_ascii=False)
    print(len(cases), "cases")


if __name__ == "__main__":
    main(*sys.argv[1:])
