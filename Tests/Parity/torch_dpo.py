"""DPO as a careful author would write it by hand in PyTorch, with Shoal's exact savings: the prompt computed once
for both completions, logits of completion rows only, the reference as the same model with its adapter off.

usage: torch_dpo.py MODEL PAIRS.jsonl [options]
Prints one JSON object: pairs, seconds of every step, of the reference, of compiling, losses.
With --dtype bfloat16 the frozen weights are held in bf16 and products run in it (autocast); the adapter, its optimizer,
log-softmax and loss stay in fp32.
"""
import argparse
import json
import os
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer

import materials


def encode(tokenizer, record):
    """Token ids of the prompt and of both completions."""
    def ids(messages, prompts):
        return tokenizer.apply_chat_template(
            messages, add_generation_prompt=prompts, tokenize=True, return_dict=True)["input_ids"]
    prompt = ids(record["prompt"], True)
    return prompt, *(ids(record["prompt"] + record[name], False)[len(prompt):] for name in ("chosen", "rejected"))


def log_probabilities(decoder, head, prompt, chosen, rejected):
    """Sums over either completion of prompt | chosen | rejected in one sequence."""
    p, c, r = len(prompt), len(chosen), len(rejected)
    n = p + c + r
    visible = torch.ones(n, n).tril().bool()
    visible[p + c:, p:p + c] = False
    mask = torch.zeros(n, n, dtype=head.weight.dtype).masked_fill(~visible, float("-inf"))[None, None]
    positions = torch.tensor([[*range(p + c), *range(p, p + r)]])
    hidden = decoder(
        input_ids=torch.tensor([prompt + chosen + rejected]), attention_mask=mask, position_ids=positions,
        use_cache=False).last_hidden_state[0]
    sums = []
    for rows, targets in (
            ([p - 1, *range(p, p + c - 1)], chosen), ([p - 1, *range(p + c, n - 1)], rejected)):
        logp = (hidden[rows] @ head.weight.t()).float().log_softmax(-1)
        sums.append(logp.gather(-1, torch.tensor(targets)[:, None]).sum())
    return sums


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=1, help="pairs per optimizer step, one at a time")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rank", type=int, default=32, help="LoRA r; alpha is twice it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="the decoder by torch.compile, before the clock starts")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype, attn_implementation="sdpa"),
        LoraConfig(r=arguments.rank, lora_alpha=2 * arguments.rank, target_modules=materials.ALL_LINEARS,
                   task_type="CAUSAL_LM"))
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=arguments.learning_rate, weight_decay=0.0)
    with open(arguments.pairs) as file:
        pairs = [encode(tokenizer, json.loads(line)) for line in file]
    decoder, head = model.base_model.model.model, model.base_model.model.lm_head

    def sums(pair):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            return log_probabilities(decoder, head, *pair)

    start = time.perf_counter()
    if arguments.compile:  # any lengths; one short pair without and with the adapter compiles all there is
        decoder = torch.compile(decoder, dynamic=True)
        short = [part[:length] for part, length in zip(pairs[0], (48, 24, 12))]
        with torch.no_grad(), model.disable_adapter():
            sums(short)
        sum(sums(short)).backward()
        optimizer.zero_grad()
    compile_seconds = time.perf_counter() - start
    start = time.perf_counter()
    with torch.no_grad(), model.disable_adapter():
        references = [sums(pair) for pair in pairs]
    reference_seconds = time.perf_counter() - start
    seconds, losses = [], []
    for _ in range(arguments.epochs):
        for first in range(0, len(pairs), arguments.batch):
            start, loss_of_step = time.perf_counter(), 0.0
            step = range(first, min(first + arguments.batch, len(pairs)))
            for i in step:
                chosen, rejected = sums(pairs[i])
                margin = (chosen - references[i][0]) - (rejected - references[i][1])
                loss = -logsigmoid(0.1 * margin) / len(step)
                loss.backward()
                loss_of_step += loss.item()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            seconds.append(time.perf_counter() - start)
            losses.append(loss_of_step)
    print(json.dumps({
        "pairs": len(pairs), "step_seconds": seconds, "reference_seconds": reference_seconds,
        "compile_seconds": compile_seconds, "loss": losses}))


if __name__ == "__main__":
    main()
