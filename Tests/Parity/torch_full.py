"""Full fine-tuning as an expert would write it by hand in PyTorch for a CPU: what full_speed.py compares Shoal with.

usage: torch_full.py MODEL DATA.jsonl dpo|sft|pretrain [options]

float32, SDPA, no padding: one sequence at a time. Logits of trained rows only, reference log-probs before training,
fused AdamW (three times as fast as foreach here), activations kept. DPO computes chosen and rejected as sequences of
their own, or with --shared-prompt as one sequence prompt | chosen | rejected: fewer rows, but a mask, which costs
SDPA its fast path. Prints one JSON object: seconds, rows and loss of every step, seconds of the reference.
"""
import argparse
import ctypes
import json
import os
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

BETA = 0.1
# glibc's M_MMAP_MAX and M_TRIM_THRESHOLD: freed logits go back to the kernel otherwise, which clears them each time.
for option, value in ((-4, 0), (-1, 2**31 - 1)):
    ctypes.CDLL(None).mallopt(option, value)


def encode(tokenizer, record, kind):
    """Token ids: a prompt, which pre-training has none of, and completions."""
    if kind == "pretrain":
        ids = tokenizer(record["text"])["input_ids"] + [tokenizer.eos_token_id]
        return ids[:1], [ids[1:]]

    def rendered(messages, prompts):
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompts, tokenize=True, return_dict=True)["input_ids"]
    prompt = rendered(record["prompt"], True)
    names = ("chosen", "rejected") if kind == "dpo" else ("completion",)
    return prompt, [rendered(record["prompt"] + record[name], False)[len(prompt):] for name in names]


def log_prob(model, hidden, targets):
    """Σ log-prob of `targets` after the rows `hidden`."""
    return -cross_entropy(model.lm_head(hidden), torch.tensor(targets), reduction="sum")


def separate(model, prompt, completions):
    sums = []
    for completion in completions:
        ids = torch.tensor([prompt + completion[:-1]])
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[0]
        sums.append(log_prob(model, hidden[len(prompt) - 1:], completion))
    return sums


def shared(model, prompt, completions):
    (chosen, rejected), p = completions, len(prompt)
    end, n = p + len(chosen), p + len(chosen) + len(rejected)
    visible = torch.ones(n, n, dtype=torch.bool).tril()
    visible[end:, p:end] = False
    positions = torch.tensor([[*range(end), *range(p, p + len(rejected))]])
    hidden = model.model(
        input_ids=torch.tensor([prompt + chosen + rejected]), attention_mask=visible[None, None], position_ids=positions,
        use_cache=False).last_hidden_state[0]
    return [log_prob(model, hidden[[p - 1, *range(first, last - 1)]], completion)
            for first, last, completion in ((p, end, chosen), (end, n, rejected))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("kind", choices=("dpo", "sft", "pretrain"))
    parser.add_argument("--batch", type=int, default=1, help="records per step")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--shared-prompt", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--learning-rate", type=float, default=1e-7, help="so small that random weights stay sane")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="sdpa").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=arguments.learning_rate, weight_decay=0.0, fused=True)
    with open(arguments.data) as file:
        records = [encode(tokenizer, json.loads(line), arguments.kind) for line in file][:arguments.batch * arguments.steps]
    sums = shared if arguments.shared_prompt and arguments.kind == "dpo" else separate
    references, reference_seconds = [], 0.0
    if arguments.kind == "dpo":
        start = time.perf_counter()
        with torch.inference_mode():
            references = [[s.item() for s in sums(model, *record)] for record in records]
        reference_seconds = time.perf_counter() - start
    seconds, rows, losses = [], [], []
    for first in range(0, len(records), arguments.batch):
        step = range(first, first + arguments.batch)
        start, loss_of_step = time.perf_counter(), 0.0
        tokens = sum(len(c) for i in step for c in records[i][1])
        for i in step:
            found = sums(model, *records[i])
            if arguments.kind == "dpo":
                margin = (found[0] - references[i][0]) - (found[1] - references[i][1])
                loss = -logsigmoid(BETA * margin) / arguments.batch
            else:
                loss = -found[0] / tokens
            loss.backward()
            loss_of_step += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - start)
        prompts = 1 if sums is shared else len(records[0][1])
        rows.append(sum(prompts * len(records[i][0]) for i in step) + tokens)
        losses.append(loss_of_step)
    print(json.dumps({
        "step_seconds": seconds, "rows": rows, "loss": losses, "reference_seconds": reference_seconds}))


if __name__ == "__main__":
    main()
