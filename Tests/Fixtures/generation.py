"""What transformers generates greedily with the tiny checkpoints, and what its logits processors make of scores.

usage: generation.py [OUT]          (OUT defaults to generation.json beside this file; see requirements.txt)

  cases       ids that generate() adds to random prompts, stop ids off: per model, adapter and repetition penalty.
              Models run in float32; in each step the best two scores differ by more than GAP, so that rounding
              cannot exchange them (prompts where they do not are passed over).
  stops       the same with stop ids, which end the answer.
  processors  probabilities (0 for tokens that are out) after the processors that generate() makes of a
              GenerationConfig: repetition penalty, temperature, top-k, top-p.
  defaults    what generate() takes from generation_config.json files: do_sample, temperature, top_k, top_p,
              repetition_penalty, eos_token_id.
"""
import json
import logging
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers.utils.logging import disable_progress_bar

import nf4
import tiny_model

HERE = os.path.dirname(os.path.abspath(__file__))
GAP = 1e-3
LENGTHS = (1, 2, 29, 150)


def load(model, adapter):
    if model == "nf4":
        directory = os.path.join(HERE, "nf4")
        return nf4.load(os.path.join(directory, "model"), os.path.join(directory, "adapter"))
    base = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "tiny", model), dtype=torch.float32)
    return PeftModel.from_pretrained(base, os.path.join(HERE, "tiny", adapter)) if adapter else base


def generate(model, prompt, **options):
    return model.generate(
        input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False, pad_token_id=0, output_scores=True, return_dict_in_generate=True, **options)


def answers(name, adapter, penalty, new=48):
    """In training mode, for bitsandbytes' sake (see nf4.py): there is no dropout in these models."""
    model, generator = load(name, adapter), torch.Generator().manual_seed(3)
    model.generation_config.eos_token_id = None
    context = tiny_model.adapters_off(model) if name == "nf4" and not adapter else torch.no_grad()
    with torch.no_grad(), context:
        for length in LENGTHS:
            for _ in range(200):
                prompt = torch.randint(0, model.config.vocab_size, (length,), generator=generator).tolist()
                output = generate(model, prompt, max_new_tokens=new, repetition_penalty=penalty)
                best = torch.stack(output.scores)[:, 0].topk(2).values
                ids = output.sequences[0, length:].tolist()
                # An answer of one token over and over would compare little.
                if (best[:, 0] - best[:, 1]).min() > GAP and len(set(ids)) > 4:
                    break
            else:
                raise SystemExit(f"{name}, {adapter}: no prompt of {length} tokens is clear")
            yield {"prompt": prompt, "ids": ids}


def stops(case):
    model, answer = load(case["model"], case["adapter"]), case["answers"][2]
    for place in (0, 7):
        ids = [answer["ids"][place], answer["ids"][place + 12]]
        with torch.no_grad():
            output = generate(
                model, answer["prompt"], max_new_tokens=48, eos_token_id=ids, repetition_penalty=case["penalty"])
        yield {"prompt": answer["prompt"], "stops": ids, "ids": output.sequences[0, len(answer["prompt"]):].tolist()}


def processed(model, scores, prompt, **options):
    config = GenerationConfig(do_sample=True, **options)
    config.update(**GenerationConfig._get_default_generation_params(), defaults_only=True)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(prompt), device="cpu")
    return processors(torch.tensor([prompt]), scores[None].clone())[0].softmax(-1)


def processors():
    model = load("model", None)
    generator = torch.Generator().manual_seed(5)
    smooth = torch.randn(60, generator=generator) * 3
    peaked = torch.randn(60, generator=generator) * 12
    ties = torch.randint(-3, 4, (60,), generator=generator).float()
    even = torch.zeros(10)
    wide = torch.randn(200, generator=generator)
    for scores in (smooth, peaked, ties, even, wide):
        prompt = torch.randint(0, len(scores), (9,), generator=generator).tolist()
        results = []
        for options in (
            {"top_k": 0}, {}, {"top_k": 1}, {"top_k": 7}, {"top_k": 1000}, {"top_k": 0, "top_p": 0.9},
            {"top_k": 0, "top_p": 0.5}, {"top_k": 0, "top_p": 0.0}, {"top_k": 0, "top_p": 1e-7},
            {"top_k": 0, "top_p": 1.0}, {"top_k": 20, "top_p": 0.8, "temperature": 0.7, "repetition_penalty": 1.05},
            {"top_k": 0, "top_p": 0.999999}, {"temperature": 0.01}, {"temperature": 25.0, "top_k": 0, "top_p": 0.95},
            {"repetition_penalty": 3.0, "top_k": 0}, {"repetition_penalty": 0.5, "top_k": 12, "top_p": 0.6},
        ):
            result = processed(model, scores, prompt, **options).tolist()
            results.append({"options": options, "probabilities": [float(f"{p:.9g}") for p in result]})
        yield {"scores": scores.tolist(), "prompt": prompt, "results": results}


def defaults():
    names = ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty", "eos_token_id")
    model = load("model", None)
    for written in (
        {}, {"do_sample": True}, {"eos_token_id": [402, 400], "do_sample": True, "temperature": 0.7, "top_p": 0.8,
                                 "top_k": 20, "repetition_penalty": 1.05, "pad_token_id": 400},
        {"do_sample": False, "top_k": 0, "temperature": None, "eos_token_id": 400},
    ):
        with tempfile.TemporaryDirectory() as directory:
            json.dump(written, open(os.path.join(directory, "generation_config.json"), "w"))
            model.generation_config = GenerationConfig.from_pretrained(directory)
        config, _ = model._prepare_generation_config(None)
        yield {"file": written, "taken": {name: getattr(config, name) for name in names}}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "generation.json")
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    disable_progress_bar()
    cases = [
        {"model": model, "adapter": adapter, "penalty": penalty}
        for model, adapter in (
            ("model", None), ("model", "adapter"), ("model", "adapter-qv"), ("model-untied", None),
            ("model-untied", "adapter-untied"), ("model-half", None), ("nf4", None), ("nf4", "adapter"))
        for penalty in ((1.0, 1.3) if model == "model" else (1.0,))]
    for case in cases:
        case["answers"] = list(answers(case["model"], case["adapter"], case["penalty"]))
    chosen = [case for case in cases if case["model"] == "model" and case["penalty"] == 1.3]
    document = {
        "cases": cases,
        "stops": [{**{k: case[k] for k in ("model", "adapter", "penalty")}, "answers": list(stops(case))}
                  for case in chosen],
        "processors": list(processors()), "defaults": list(defaults())}
    with open(out, "w") as file:
        json.dump(document, file)


if __name__ == "__main__":
    main()
