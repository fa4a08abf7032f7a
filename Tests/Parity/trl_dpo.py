"""DPO of TRL + PEFT on this CPU: the side that Shoal is compared with.

usage: trl_dpo.py MODEL PAIRS.jsonl [options]
Prints one JSON object: pairs, seconds of every step, of the precomputed reference, losses.
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


class TimedTrainer(DPOTrainer):
    """TRL's trainer, which computes reference log-probs while it is made."""
    reference_seconds = 0.0

    def _precompute_ref_logps(self, *arguments):
        start = time.perf_counter()
        dataset = super()._precompute_ref_logps(*arguments)
        TimedTrainer.reference_seconds += time.perf_counter() - start
        return dataset


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs")
    parser.add_argument("--batch", type=int, default=4, help="pairs per optimizer step, one at a time")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rank", type=int, default=32, help="LoRA r; alpha is twice it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=2048)
    parser.add_argument("--dtype", default="float32", help="of the weights")
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast, which is TRL's default")
    parser.add_argument("--no-checkpointing", action="store_true", help="keep the activations")
    parser.add_argument("--precompute", action="store_true", help="reference log-probs before training")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    disable_progress_bar()
    disable_progress_bars()
    checkpointing, clock = not arguments.no_checkpointing, StepClock()
    with tempfile.TemporaryDirectory() as scratch:
        data = load_dataset("json", data_files=arguments.pairs, split="train", cache_dir=scratch)
        config = DPOConfig(
            output_dir=scratch, per_device_train_batch_size=1, gradient_accumulation_steps=arguments.batch,
            num_train_epochs=arguments.epochs, learning_rate=arguments.learning_rate, lr_scheduler_type="cosine",
            warmup_steps=0, weight_decay=0.0, max_grad_norm=1.0, beta=0.1, max_length=arguments.max_length,
            gradient_checkpointing=checkpointing, precompute_ref_log_probs=arguments.precompute,
            gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
            train_sampling_strategy="sequential", use_cpu=True, bf16=arguments.bf16, logging_steps=1, report_to=[],
            save_strategy="no", disable_tqdm=True, seed=0)
        trainer = TimedTrainer(
            model=AutoModelForCausalLM.from_pretrained(
                arguments.model, dtype=getattr(torch, arguments.dtype)),
            args=config, train_dataset=data, callbacks=[clock],
            processing_class=AutoTokenizer.from_pretrained(arguments.model),
            peft_config=LoraConfig(
                r=arguments.rank, lora_alpha=2 * arguments.rank, target_modules=materials.ALL_LINEARS,
                task_type="CAUSAL_LM"))
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    print(json.dumps({
        "pairs": len(trainer.train_dataset), "step_seconds": clock.seconds,
        "reference_seconds": TimedTrainer.reference_seconds,
        "loss": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]}))


if __name__ == "__main__":
    main()
