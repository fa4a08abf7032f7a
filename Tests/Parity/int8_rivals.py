"""How much ways to compute the frozen linears in int8 change a model and its LoRA gradients: a simulation in torch.

usage: int8_rivals.py MODEL PAIRS.jsonl [options]
       int8_rivals.py demo/model demo/heldout.jsonl
       int8_rivals.py W/model W/pairs.jsonl --layers 4 --outliers 100       (W made by materials.py W 0.5b 4)

Prints a Markdown table; every row is compared with fp32 on the same weights, adapter and pairs:
  weights alone     weights int8 with one scale per output channel; products in fp32
  per tensor        W8A8 with one scale per weight and one per activation
  per token         W8A8 with a scale per output channel of a weight and per row of an activation
  Shoal             per row and per block of 128 of the depth; a block whose maximum exceeds 8 times the row's RMS has
                    what rounding left quantised again; powers of two move the size of a weight's columns to its input
Backwards, dy times the scales of the output channels is rounded by the same rule. LoRA (r 8, random A and B, the
reference is the model without it), norms, attention, head and loss are fp32. Integers are simulated in fp32.

Columns: |Σ log-prob - fp32's| / tokens over completions; the RMS of single tokens' log-prob differences; KL(fp32 ‖
row) per completion position; cosines of the DPO gradient with fp32's over all matrices A and B; pairs whose margin
(of the policy alone, and less the reference's) has fp32's sign. --outliers K makes 1 % of the channels that o_proj and
down_proj read K times as large and divides what reads them, which leaves fp32's function as it is (checked, printed).

Ran with Python 3.11, torch 2.15.0, transformers 5.24.0; nothing of Shoal is needed.
"""
import argparse
import json
import os
import random

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from torch.nn.functional import logsigmoid, pad
from transformers import AutoModelForCausalLM, AutoTokenizer

from torch_dpo import encode

# Weights that read the same input.
GROUPS = [("self_attn", ["q_proj", "k_proj", "v_proj"]), ("self_attn", ["o_proj"]),
          ("mlp", ["gate_proj", "up_proj"]), ("mlp", ["down_proj"])]
BLOCK, LIMIT, RANK, SCALING, BETA = 128, 8, 8, 2.0, 0.1


def rounded(x, top):
    scale = top.clamp_min(1e-30) / 127
    return (x / scale).round() * scale


def per_tensor(x):
    return rounded(x, x.abs().max())


def per_token(x):
    return rounded(x, x.abs().amax(-1, keepdim=True))


class Blocks:
    """Shoal's rule. Counts the blocks, and those quantised twice."""
    count, twice = 0, 0

    def __call__(self, x):
        width, limit = x.shape[-1], LIMIT * x.square().mean(-1, keepdim=True).sqrt()
        x = pad(x, (0, -width % BLOCK)).unflatten(-1, (-1, BLOCK))
        top = x.abs().amax(-1, keepdim=True)
        first = rounded(x, top)
        large = top > limit.unsqueeze(-1)
        self.count, self.twice = self.count + large.numel(), self.twice + large.sum().item()
        return torch.where(large, first + rounded(x - first, top / 254), first).flatten(-2)[..., :width]


BLOCKS = Blocks()
# How rows are rounded; a weight's scales; whether powers of two bring its columns together.
SCHEMES = {
    "fp32": (lambda x: x, None, False),
    "weights alone": (lambda x: x, "channel", False),
    "per tensor": (per_tensor, "tensor", False),
    "per token": (per_token, "channel", False),
    "Shoal": (BLOCKS, "channel", True),
}


def column_factors(weights):
    """2^round(log2(median c / c_j)); c_j: the RMS of column j, of rows that are first brought to the same RMS."""
    rows = torch.cat(weights)
    c = (rows / rows.square().mean(1, keepdim=True).sqrt()).square().mean(0).sqrt()
    return torch.exp2(torch.log2(c.median() / c).round())


class Product(torch.autograd.Function):
    """x · weightᵀ and, backwards, dy · weight, by a scheme."""

    @staticmethod
    def forward(context, x, linear):
        round_rows, codes, scales, factors = linear.prepared[Linear.scheme]
        context.linear, context.scheme = linear, Linear.scheme
        return round_rows(x / factors) @ codes.float().t() * scales

    @staticmethod
    def backward(context, dy):
        round_rows, codes, scales, factors = context.linear.prepared[context.scheme]
        return round_rows(dy * scales) @ codes.float() / factors, None


class Linear(torch.nn.Module):
    """A frozen linear with LoRA."""
    scheme, adapted = "fp32", True

    def __init__(self, linear):
        super().__init__()
        self.weight, self.bias = linear.weight.detach().float(), linear.bias
        outputs, inputs = self.weight.shape
        self.a = torch.nn.Parameter((2 * torch.rand(RANK, inputs) - 1) * inputs ** -0.5)
        self.b = torch.nn.Parameter(0.02 * torch.randn(outputs, RANK))

    def prepare(self, factors):
        self.prepared = {}
        for name, (round_rows, scales_of, together) in SCHEMES.items():
            of_columns = factors if together else torch.ones_like(factors)
            weight = self.weight * of_columns
            tops = weight.abs().amax(1) if scales_of == "channel" else weight.abs().max().expand(len(weight))
            scales = tops / 127 if scales_of else torch.ones_like(tops)
            codes = (weight / scales[:, None]).round().to(torch.int8) if scales_of else weight
            self.prepared[name] = (round_rows, codes, scales, of_columns)

    def forward(self, x):
        y = Product.apply(x, self)
        if self.bias is not None:
            y = y + self.bias
        return y + SCALING * (x @ self.a.t()) @ self.b.t() if Linear.adapted else y


def load(directory, layers):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="sdpa").eval()
    if layers:
        model.model.layers, model.config.num_hidden_layers = model.model.layers[:layers], layers
    model.requires_grad_(False)
    for layer in model.model.layers:
        for part, names in GROUPS:
            for name in names:
                setattr(getattr(layer, part), name, Linear(getattr(getattr(layer, part), name)))
    return model


def prepare(model):
    for layer in model.model.layers:
        for part, names in GROUPS:
            linears = [getattr(getattr(layer, part), name) for name in names]
            factors = column_factors([linear.weight for linear in linears])
            for linear in linears:
                linear.prepare(factors)


@torch.no_grad()
def add_outliers(model, times, draw):
    """Makes rows of v_proj and up_proj larger, and the columns that read them smaller, with LoRA's matrices."""
    heads, groups = model.config.num_attention_heads, model.config.num_key_value_heads
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        # An output of v_proj is read by all heads of its group, one of up_proj once.
        for producer, reader, parts, readers in (
                (attention.v_proj, attention.o_proj, groups, heads // groups), (mlp.up_proj, mlp.down_proj, 1, 1)):
            channels = len(producer.weight)
            width = channels // parts
            rows = draw.sample(range(channels), max(1, channels // 100))
            columns = [(row // width * readers + i) * width + row % width for row in rows for i in range(readers)]
            producer.weight[rows] *= times
            producer.b[rows] *= times
            if producer.bias is not None:
                producer.bias[rows] *= times
            reader.weight[:, columns] /= times
            reader.a[:, columns] /= times


def log_probs(model, prompt, completion):
    """Of all tokens of the vocabulary at the completion's positions."""
    hidden = model.model(input_ids=torch.tensor([prompt + completion]), use_cache=False).last_hidden_state
    return model.lm_head(hidden[0, len(prompt) - 1:-1]).log_softmax(-1)


def of_tokens(logp, completion):
    return logp.gather(-1, torch.tensor(completion)[:, None])[:, 0]


def run_pair(model, pair, scheme, parameters):
    """Log-probs of both completions, their margin beside the reference's, the gradients of the DPO loss."""
    prompt, *completions = pair
    Linear.scheme, Linear.adapted = scheme, False
    with torch.no_grad():
        reference = [of_tokens(log_probs(model, prompt, c), c).sum() for c in completions]
    Linear.adapted = True
    found = [log_probs(model, prompt, c) for c in completions]
    chosen, rejected = (of_tokens(logp, c).sum() - r for logp, c, r in zip(found, completions, reference))
    gradients = torch.autograd.grad(-logsigmoid(BETA * (chosen - rejected)), parameters)
    return [logp.detach() for logp in found], (chosen - rejected).item(), gradients


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs_file")
    parser.add_argument("--pairs", type=int, help="how many of the file's pairs; default: all")
    parser.add_argument("--layers", type=int, help="only the first of the model's layers")
    parser.add_argument("--outliers", type=float, default=0, help="how many times as large, such as 30 or 100")
    parser.add_argument("--seed", type=int, default=0, help="of LoRA's matrices and the outliers' channels")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    model, tokenizer = load(arguments.model, arguments.layers), AutoTokenizer.from_pretrained(arguments.model)
    with open(arguments.pairs_file) as file:
        pairs = [encode(tokenizer, json.loads(line)) for line in list(file)[:arguments.pairs]]
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    print(f"{len(pairs)} pairs, {sum(len(c) for pair in pairs for c in pair[1:])} completion tokens, "
          f"{len(model.model.layers)} layers, {len(parameters)} LoRA matrices, outliers {arguments.outliers:g}")
    prepare(model)
    if arguments.outliers:
        with torch.no_grad():
            before = log_probs(model, *pairs[0][:2])
            add_outliers(model, arguments.outliers, random.Random(arguments.seed))
            prepare(model)
            change = (log_probs(model, *pairs[0][:2]) - before).abs().max().item()
        print(f"fp32's log-probs with and without outliers differ by at most {change:.1e}")
    names = [name for name in SCHEMES if name != "fp32"]
    sums, tokens, kl, signs = ({name: [] for name in names} for _ in range(4))
    total = {name: [torch.zeros_like(parameter) for parameter in parameters] for name in SCHEMES}
    for pair in pairs:
        exact, exact_margin, gradients = run_pair(model, pair, "fp32", parameters)
        torch._foreach_add_(total["fp32"], gradients)
        policy = [of_tokens(logp, c).sum().item() for logp, c in zip(exact, pair[1:])]
        for name in names:
            found, margin, gradients = run_pair(model, pair, name, parameters)
            torch._foreach_add_(total[name], gradients)
            differences = [of_tokens(f - e, c).double() for f, e, c in zip(found, exact, pair[1:])]
            sums[name] += [abs(d.sum().item()) / len(d) for d in differences]
            tokens[name] += differences
            kl[name] += [(e.exp() * (e - f)).sum(-1).double() for f, e in zip(found, exact)]
            moved = differences[0].sum().item() - differences[1].sum().item()
            signs[name].append(((policy[0] - policy[1] > 0) == (policy[0] - policy[1] + moved > 0),
                                (exact_margin > 0) == (margin > 0)))
    print("\n| scheme | sum/token, max | median | RMS per token | mean KL | gradient cosine, min | median "
          "| signs, policy | beside reference |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in names:
        cosines = torch.stack([torch.cosine_similarity(g.flatten().double(), e.flatten().double(), dim=0)
                               for g, e in zip(total[name], total["fp32"])])
        per_completion, agree = torch.tensor(sums[name]), [sum(column) for column in zip(*signs[name])]
        print(f"| {name} | {per_completion.max():.5f} | {per_completion.median():.5f} | "
              f"{torch.cat(tokens[name]).square().mean().sqrt():.5f} | {torch.cat(kl[name]).mean():.2e} | "
              f"{cosines.min():.5f} | {cosines.median():.5f} | {agree[0]}/{len(pairs)} | {agree[1]}/{len(pairs)} |")
    print(f"\nblocks that Shoal's rule quantises twice: {100 * BLOCKS.twice / BLOCKS.count:.2f} %")


if __name__ == "__main__":
    main()
