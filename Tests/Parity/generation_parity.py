"""Compares `shoal generate` with transformers (and PEFT) in float32: greedy ids, with and without repetition penalty.

Prompts of a few to some thousand tokens, as chats and raw; the latter go through the model in several pieces. Ids must
be the same up to the end, or to a step whose two best scores are closer than rounding (that is told).

usage: generation_parity.py SHOAL_BINARY MODEL_DIR [--adapter DIR] [--new 64] [--longest 2000]
                                                            (needs torch, transformers, peft)
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

# Scores of size 10 to 30, summed in another order through two dozen layers.
ROUNDING = 1e-3
TEXT = "The shoal turns under the moon; nobody leads. In July 7,200 fish passed the net of the old stone harbour. "


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shoal")
    parser.add_argument("model")
    parser.add_argument("--adapter")
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--longest", type=int, default=2000)
    options = parser.parse_args()
    disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    if options.adapter:
        from peft import PeftModel
        model = PeftModel.from_pretrained(model, options.adapter)
    model.eval()
    long = TEXT * (options.longest // len(tokenizer(TEXT)["input_ids"]))
    failures = 0
    for text, raw in (("Why do fish swim together?", False), ("The sea", True), (long[:1500], False), (long, True)):
        for penalty in (1.0, 1.1):
            if raw:
                prompt = tokenizer(text)["input_ids"]
            else:
                prompt = tokenizer.apply_chat_template(
                    [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True)["input_ids"]
            with torch.no_grad():
                output = model.generate(
                    input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                    do_sample=False, repetition_penalty=penalty, max_new_tokens=options.new, pad_token_id=0,
                    output_scores=True, return_dict_in_generate=True)
            expected = output.sequences[0, len(prompt):].tolist()
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump([{"role": "user", "content": text}], file)
                file.flush()
                how = ["--raw", "--prompt", text] if raw else ["--messages", file.name]
                command = [options.shoal, "generate", "--model", options.model, "--greedy", "--json",
                           "--max-new-tokens", str(options.new), "--repetition-penalty", str(penalty), *how]
                if options.adapter:
                    command += ["--adapter", options.adapter]
                answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            best = torch.stack(output.scores)[:, 0].topk(2).values
            gaps = (best[:, 0] - best[:, 1]).tolist()
            same = next((i for i, (a, b) in enumerate(zip(answer["ids"], expected)) if a != b), None)
            name = f"prompt of {len(prompt)} tokens{', raw' if raw else ''}, penalty {penalty}"
            if answer["prompt_tokens"] != len(prompt):
                failures += 1
                print(f"FAILED {name}: shoal counts {answer['prompt_tokens']} tokens")
            elif same is None and len(answer["ids"]) == len(expected):
                print(f"{name}: {len(expected)} ids are the same, {len(set(expected))} different ones, "
                      f"smallest gap {min(gaps):.4f}")
            elif same is not None and gaps[same] < ROUNDING:
                print(f"{name}: {same} ids are the same, then two scores differ by {gaps[same]:.1e} only")
            else:
                failures += 1
                print(f"FAILED {name}: {answer['ids']}, expected {expected}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
