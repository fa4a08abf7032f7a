"""How lm_eval_parity.py compares samples and metrics of `shoal evaluate` with lm-eval's."""
import json
import math
import os

import torch
from lm_eval.api.model import TemplateLM
from lm_eval.models.huggingface import HFLM

PER_TOKEN = 1e-4
# Metrics that go with the log-probs.
SMOOTH = ("perplexity", "bits_per_byte", "brier_score")


class Replay(TemplateLM):
    """Gives the answers of shoal's samples to lm-eval's requests."""

    backend, tokenizer_name = "causal", "replay"
    apply_chat_template, chat_template_args = HFLM.apply_chat_template, {}
    eot_token_id = property(lambda self: self.tokenizer.eos_token_id)

    def __init__(self, tokenizer, samples):
        super().__init__()
        self.tokenizer, self.answers = tokenizer, {}
        for sample in samples:
            for arguments, responses in zip(requests(sample), sample["resps"], strict=True):
                self.answers[arguments[:2] if isinstance(arguments[-1], str) else arguments[:1]] = responses[0]

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        return self.tokenizer.encode(string)

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(float(sum), greedy == "True") for sum, greedy in (self.answers[request.args] for request in requests)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        return [float(self.answers[request.args]) for request in requests]

    def generate_until(self, requests, disable_tqdm=False):
        return [self.answers[request.args[:1]] for request in requests]

    _loglikelihood_tokens = None


Replay.__abstractmethods__ = frozenset()


def requests(sample):
    """The arguments of a sample of shoal's, as tuples."""
    return [tuple(arguments.values()) for arguments in sample["arguments"].values()]


class Comparison:
    """One task in one case."""

    def __init__(self, lm):
        self.lm, self.worst, self.ties, self.problems = lm, 0.0, [], []
        self.scores, self.greedy, self.answers = 0, 0, []

    def told(self):
        if self.answers:
            length = sum(map(len, self.answers)) / len(self.answers)
            return f"{len(set(self.answers))} different answers of {length:.0f} characters"
        return f"{self.scores} log-probs, {self.greedy} of greedy answers"

    def differs(self, what, sample, ours, theirs):
        self.problems.append((len(json.dumps(sample["doc"])), what, sample["doc_id"], sample["filter"], ours, theirs))

    def sample(self, ours, theirs):
        if [list(arguments) for arguments in requests(ours)] != [list(arguments) for arguments in theirs["arguments"]]:
            return self.differs("prompts", ours, requests(ours), theirs["arguments"])
        for key in ("doc_id", "filter", "doc_hash", "prompt_hash", "target_hash"):
            if ours[key] != theirs[key]:
                self.differs(key, ours, ours[key], theirs[key])
        tied = False
        for arguments, own, others in zip(requests(ours), ours["resps"], theirs["resps"], strict=True):
            for one, other in zip(own, others, strict=True):
                tied |= self.response(ours, arguments, one, other)
        tied |= self.choice_tied(theirs)
        shown = [str(x) if not isinstance(x, list) else list(map(str, x)) for x in theirs["filtered_resps"]]
        other = [metric for metric in theirs["metrics"] if isinstance(theirs[metric], (int, float))
                 and ours.get(metric) != theirs[metric] and not metric.endswith(SMOOTH)]
        if isinstance(theirs["resps"][0][0], str) and ours["filtered_resps"] != shown:
            other.append("filtered_resps")
        if other and tied:
            self.ties.append(ours["doc_id"])
        for key in other if not tied else []:
            self.differs(key, ours, ours.get(key), theirs[key])

    def response(self, sample, arguments, ours, theirs):
        """Whether rounding decides."""
        if isinstance(theirs, str):
            self.answers.append(ours)
            return ours != theirs and self.text_tied(sample, arguments, ours, theirs)
        ours, theirs = (([float(x[0]), str(x[1])] if isinstance(x, (list, tuple)) else [float(x), ""])
                        for x in (ours, theirs))
        self.worst = max(self.worst, abs(ours[0] - theirs[0]) / self.count(arguments))
        if not abs(ours[0] - theirs[0]) <= PER_TOKEN * self.count(arguments):
            self.differs(f"log-prob of {self.count(arguments)} tokens, {arguments}", sample, ours[0], theirs[0])
        self.scores += 1
        self.greedy += ours[1] == "True"
        if ours[1] == theirs[1]:
            return False
        context, answer = self.lm._encode_pair(*arguments)
        with torch.no_grad():
            best = self.lm.model(torch.tensor([context + answer])).logits[0, len(context) - 1:-1].topk(2).values
        gap = float((best[:, 0] - best[:, 1]).min())
        if gap > PER_TOKEN:
            self.differs(f"greedy, gap {gap}, {arguments}", sample, ours[1], theirs[1])
        return True

    def count(self, arguments):
        if len(arguments) == 1:
            return max(1, len(self.lm.tok_encode(arguments[0])))
        if not arguments[0]:
            return max(1, len(self.lm.tok_encode(arguments[1])))
        return len(self.lm._encode_pair(*arguments[:2])[1])

    def choice_tied(self, sample):
        """Whether two choices are so close that rounding may decide."""
        if not isinstance(sample["resps"][0][0], tuple) or len(sample["resps"]) < 2:
            return False
        for length in (lambda text: 1, lambda text: len(text) - 1 or 1, lambda text: len(text.encode()) - 1 or 1):
            scores = sorted((response[0][0] / length(arguments[1]), PER_TOKEN * self.count(arguments))
                            for response, arguments in zip(sample["resps"], sample["arguments"]))
            if any(0 < b[0] - a[0] < max(a[1], b[1]) for a, b in zip(scores, scores[1:])):
                return True
        return False

    def text_tied(self, sample, arguments, ours, theirs):
        """Whether two scores of the model are close where the answers part."""
        same = os.path.commonprefix([ours, theirs])
        room = self.lm.max_length - arguments[1].get("max_gen_toks", 256)
        prompt = self.lm.tok_encode(arguments[0])[-room:]
        with torch.no_grad():
            output = self.lm.model.generate(
                input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=arguments[1].get("max_gen_toks", 256),
                pad_token_id=0, output_scores=True, return_dict_in_generate=True)
        ids = output.sequences[0, len(prompt):].tolist()
        step = next((n for n in range(len(ids)) if not same.startswith(self.lm.tok_decode(ids[:n + 1]))), len(ids) - 1)
        best = output.scores[step][0].topk(2).values
        gap = float(best[0] - best[1])
        if gap > PER_TOKEN:
            where = f"answers of {len(prompt)} tokens' prompt part at token {step} after {same[-20:]!r}, gap {gap}"
            self.differs(where, sample, ours[len(same):][:60], theirs[len(same):][:60])
        return True


def numbers(results):
    return {key: value for key, value in results.items() if "," in key}


def has_smooth(results):
    return any(key.split(",")[0].endswith(SMOOTH) for key in numbers(results))


def farthest(ours, theirs, smooth=None, errors=True):
    """The largest relative difference of metrics; what one side lacks is infinitely far."""
    worst = 0.0
    for key, other in numbers(theirs).items():
        if not errors and "_stderr," in key:
            continue
        if smooth is not None and key.split(",")[0].replace("_stderr", "").endswith(SMOOTH) != smooth:
            continue
        one = ours.get(key)
        if isinstance(other, float) and isinstance(one, (int, float)):
            apart = abs(one - other) / max(1, abs(other)) if math.isfinite(other) else math.inf
            worst = max(worst, 0.0 if one == other else apart)
        elif one != other:
            worst = math.inf
    return worst
