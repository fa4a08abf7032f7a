"""NF4 matrices as bitsandbytes quantises them on a CPU, and QLoRA on a tiny Qwen2 as bitsandbytes and PEFT run it.

usage: nf4.py [OUT]                 (OUT defaults to nf4/ beside this file; see requirements.txt)

Everything is random but seeded.

  OUT/matrices.safetensors   per matrix NAME: NAME/weight as it was given (F32 or BF16), NAME/maxima (of blocks),
                             NAME/offset, NAME/codes (two a byte), NAME/scale_codes, NAME/scale_maxima and
                             NAME/dequantized (to float32)
  OUT/model, OUT/adapter     hub layout, bf16, rows of whole blocks, no tokenizer; a PEFT directory, B not zero
  OUT/cases.json, OUT/reference.safetensors   as tiny_model.py's, of the one case "nf4"; and the adapter after
                             one AdamW step on the mean DPO loss of all trees

The model computes in float32 (bnb_4bit_compute_dtype) and is loaded as float32: bitsandbytes then dequantises to
float32 forward and backward. (Loaded as bfloat16 it would round the weights of the backward pass to bfloat16.)
It stays in training mode: in evaluation mode on machines with AVX512_BF16, bitsandbytes multiplies in bfloat16.
"""
import json
import logging
import os
import shutil
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from bitsandbytes import functional
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils.logging import disable_progress_bar

import tiny_model


def matrices():
    generator = torch.Generator().manual_seed(1)

    def normal(rows, columns):
        return torch.randn(rows, columns, generator=generator)

    # Several blocks of scales, the last one not full.
    yield "many", (normal(100, 192) * 0.02).bfloat16()
    yield "columns", normal(40, 128) * torch.logspace(-3, 3, 128)
    # All block maxima alike: nothing is left of the scales but their mean.
    even = normal(5, 64).clamp(-0.9, 0.9)
    even[:, 7] = -1
    yield "even", even
    # Entries on the bounds between codes and right beside them, zeros of both signs, empty blocks.
    code = functional.get_4bit_type("nf4", device="cpu")
    bounds = (code[1:] + code[:-1]) / 2
    beside = [torch.nextafter(bounds, torch.tensor(sign)) for sign in (-2.0, 2.0)]
    row = torch.cat([bounds, *beside, torch.tensor([1.0, -1.0, 0.0, -0.0, 1e-40, -1e-40])])
    row = torch.cat([row, torch.zeros(64 - len(row))])
    ties = torch.stack([row, -row, row * 0.25, row * 3, torch.zeros(64), -torch.zeros(64)])
    yield "ties", ties
    # Maxima below 1e-38, where the quantiser stops dividing by them; and far above.
    tiny = normal(6, 64)
    for i, largest in enumerate((1e-37, 1.2e-38, 1e-38, 3e-39, 1e-41, 1e-45)):
        tiny[i] *= largest / tiny[i].abs().max()
    yield "tiny", tiny
    huge = normal(4, 128)
    huge[1] *= 1e38 / huge[1].abs().max()
    huge[2, 5] = 1e37
    yield "huge", huge


def quantized(weight):
    codes, state = functional.quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    _, plain = functional.quantize_4bit(weight, blocksize=64, compress_statistics=False, quant_type="nf4")
    assert state.state2.blocksize == 256 and torch.equal(state.code, functional.get_4bit_type("nf4", device="cpu"))
    state.dtype = torch.float32
    return {
        "weight": weight, "codes": codes.flatten(), "maxima": plain.absmax, "offset": state.offset.reshape(1),
        "scale_codes": state.absmax, "scale_maxima": state.state2.absmax,
        "dequantized": functional.dequantize_4bit(codes, state).reshape(weight.shape)}


def load(model_directory, adapter_directory):
    base = AutoModelForCausalLM.from_pretrained(
        model_directory, dtype=torch.float32, attn_implementation="sdpa",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32))
    assert sum(type(m).__name__ == "Linear4bit" for m in base.modules()) == 7 * base.config.num_hidden_layers
    return PeftModel.from_pretrained(base, adapter_directory, is_trainable=True).train()


def measure(out, trees):
    model = load(os.path.join(out, "model"), os.path.join(out, "adapter"))
    tensors = {}
    for policy in ("base", "policy"):
        for t, tree in enumerate(trees):
            with torch.no_grad(), tiny_model.adapters_off(model) if policy == "base" else torch.no_grad():
                for c, completion in enumerate(tree["completions"]):
                    tensors[f"logp/{policy}/{t}/{c}"] = tiny_model.token_logps(model, tree["prompt"], completion)[0]
    found = tiny_model.gradients(model, trees)
    tensors.update({f"gradient/{name}": g for name, g in found.items()})
    schedule = {"lr_scheduler": "constant", "learning_rate": 1e-2, "warmup_steps": 0, "steps": 1}
    steps = tiny_model.adamw_steps(model, trees, len(trees), schedule)
    tensors.update({f"step/{name}": p.detach() for name, p in tiny_model.trainable(model).items()})
    return {**steps[0], "grad_norm": tiny_model.norm(found.values())}, tensors


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "nf4")
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    disable_progress_bar()
    shutil.rmtree(out, ignore_errors=True)
    model, adapter = os.path.join(out, "model"), os.path.join(out, "adapter")
    tiny_model.write_checkpoint(
        model, 1, torch.bfloat16, vocab_size=131, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=1, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    tiny_model.write_adapter(adapter, model, 4, r=4, lora_alpha=8, target_modules=tiny_model.ALL_LINEARS)
    save_file(
        {f"{name}/{part}": tensor.contiguous()
         for name, weight in matrices() for part, tensor in quantized(weight).items()},
        os.path.join(out, "matrices.safetensors"))
    generator = torch.Generator().manual_seed(7)
    trees = [tiny_model.random_tree(generator, 131, p, cs) for p, cs in ((23, (9, 13)), (1, (7, 23)), (40, (1, 17)))]
    scalars, tensors = measure(out, trees)
    save_file(
        {f"nf4/{key}": t.float().contiguous() for key, t in tensors.items()},
        os.path.join(out, "reference.safetensors"))
    case = {"model": "model", "adapter": "adapter", "trees": trees, **scalars}
    document = {
        "beta": tiny_model.BETA, "max_grad_norm": tiny_model.MAX_GRAD_NORM,
        "adam_betas": tiny_model.ADAMW["betas"], "adam_epsilon": tiny_model.ADAMW["eps"],
        "weight_decay": tiny_model.ADAMW["weight_decay"], "cases": {"nf4": case}}
    json.dump(document, open(os.path.join(out, "cases.json"), "w"))
    for directory, _, files in os.walk(out):
        for file in files:
            os.chmod(os.path.join(directory, file), 0o644)  # safetensors creates private files


if __name__ == "__main__":
    main()
