"""DPO of TRL + PEFT on this CPU: the side that Shoal is compared with.

usage: trl_dpo.py MODEL PAIRS.jsonl [options]
Prints one JSON object: seconds per step, of training and of what precedes it; pairs; losses.
"""
import argparse
import json
import os
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import disable_progress_bars, load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import DPOConfig, DPOTrainer

import materials


class StepClock(TrainerCallback):
    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *arguments, **options):
        self.start = time.perf_counter()

    def on_step_end(self, *arguments, **options):
        self.seconds.append(time.perf_counter() - self.start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=4, help="pairs per optimizer step, one at a time")
    parser.add_argument("--rank", type=int, default=32, help="LoRA r; alpha is twice it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=2048)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--no-checkpointing", action="store_true", help="keep the activations")
    parser.add_argument("--precompute", action="store_true", help="reference log-probs before training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    disable_progress_bar()
    disable_progress_bars()
    checkpointing, clock, begin = not arguments.no_checkpointing, StepClock(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        data = load_dataset("json", data_files=arguments.pairs, split="train", cache_dir=scratch)
        config = DPOConfig(
            output_dir=scratch, per_device_train_batch_size=1, gradient_accumulation_steps=arguments.batch,
            num_train_epochs=1, learning_rate=arguments.learning_rate, lr_scheduler_type="cosine",
            warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, beta=0.1, max_length=arguments.max_length,
            gradient_checkpointing=checkpointing, precompute_ref_log_probs=arguments.precompute,
            gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
            train_sampling_strategy="sequential", use_cpu=True, bf16=False, logging_steps=1, report_to=[],
            save_strategy="no", disable_tqdm=True, seed=0)
        trainer = DPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(
                arguments.model, dtype=getattr(torch, arguments.dtype)),
            args=config, train_dataset=data, callbacks=[clock],
            processing_class=AutoTokenizer.from_pretrained(arguments.model),
            peft_config=LoraConfig(
                r=arguments.rank, lora_alpha=2 * arguments.rank, target_modules=materials.ALL_LINEARS,
                task_type="CAUSAL_LM"))
        trainer.remove_callback(PrinterCallback)
        pairs, start = len(trainer.train_dataset), time.perf_counter()
        trainer.train()
        end = time.perf_counter()
    print(json.dumps({
        "pairs": pairs, "step_seconds": clock.seconds, "train_seconds": end - start,
        "before_training_seconds": start - begin,
        "loss": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]}))


if __name__ == "__main__":
    main()
