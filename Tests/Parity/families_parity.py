"""`shoal score` and `shoal generate` beside transformers in float32, for every architecture.

usage: families_parity.py --shoal BINARY [--work DIR] [--only NAME …] [--large]
       families_parity.py --shoal .build/release/shoal --only qwen3-tied mistral

Scores are sums over completions, compared per token; some prompts are longer than the length that Llama 3's scaled
frequencies begin at. Greedy ids must be the same up to the end, or to a step whose two best logits are closer than
rounding (that is told). With --large also log-probs of a random model of Qwen3-0.6B's shape (4 GB of memory).
"""
import argparse
import json
import os
import sys
import tempfile

import torch

import family_models
from torch_side import Shoal, Table, Texts, compare_scores, ids, load, write_lines

LOG_PROB, ROUNDING, NEW = 1e-4, 1e-3, 64


def records():
    texts = Texts(seed=5)
    pairs = [texts.pair() for _ in range(8)] + [texts.pair(prompt=(120, 300), completion=(20, 60)) for _ in range(4)]
    pairs.append({"prompt": texts.cut(1, 1)[0] + "\n", "chosen": texts.cut(1, 1), "rejected": texts.cut(2, 2)})
    return pairs, [texts.cut(6, 9), texts.cut(30, 40), texts.cut(200, 220)]


def compare_answers(table, shoal, name, directory, model, prompts):
    for text in prompts:
        prompt = ids(text)
        case = f"{name}, generate {len(prompt)}"
        with torch.no_grad():
            output = model.generate(
                input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                do_sample=False, max_new_tokens=NEW, pad_token_id=0, output_logits=True, return_dict_in_generate=True)
        expected = output.sequences[0, len(prompt):].tolist()
        answer = json.loads(shoal.run(
            "generate", "--model", directory, "--greedy", "--json", "--raw", "--max-new-tokens", str(NEW), "--prompt", text))
        best = torch.stack(output.logits)[:, 0].topk(2).values
        gaps = (best[:, 0] - best[:, 1]).tolist()
        found = answer["ids"]
        if answer["prompt_tokens"] != len(prompt):
            table.line(case, False, f"shoal counts {answer['prompt_tokens']} tokens of the prompt")
        elif found == expected:
            table.line(case, True, f"{len(expected)} ids are the same, {len(set(expected))} different ones, "
                                   f"smallest gap {min(gaps):.4f}")
        else:
            same = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
            tied = same < len(gaps) and gaps[same] < ROUNDING
            table.line(case, tied, f"{same} ids are the same, then two logits differ by {gaps[same]:.1e}" if tied else
                       f"from id {same} on {found[same:same + 8]}, expected {expected[same:same + 8]}")


def compare(table, shoal, work, name, pairs, prompts):
    directory = os.path.join(work, name)
    family_models.write(directory, name)
    model = load(directory)
    data = write_lines(os.path.join(work, "pairs.jsonl"), pairs)
    table.guarded(f"{name}, score", lambda: compare_scores(
        table, f"{name}, score", shoal.score(directory, data, os.path.join(work, f"{name}.jsonl")), pairs, model,
        LOG_PROB))
    if name != family_models.LARGE:
        table.guarded(f"{name}, generate", compare_answers, table, shoal, name, directory, model, prompts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shoal", required=True, metavar="BINARY")
    parser.add_argument("--work", help="where checkpoints and scores stay; default: a temporary directory")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=list(family_models.CHECKPOINTS))
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    family_models.quieten()
    torch.set_num_threads(arguments.threads)
    pairs, prompts = records()
    names = arguments.only or family_models.SMALL + ([family_models.LARGE] if arguments.large else [])
    table = Table()
    with tempfile.TemporaryDirectory() as scratch:
        work = os.path.abspath(arguments.work or scratch)
        os.makedirs(work, exist_ok=True)
        shoal = Shoal(arguments.shoal, os.path.join(work, "cache"), arguments.threads)
        for name in names:
            table.guarded(name, compare, table, shoal, work, name, pairs, prompts)
    return table.finish()


if __name__ == "__main__":
    sys.exit(main())
