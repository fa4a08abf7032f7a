"""Compares BertScorer with bert_score 0.3.13 on random encoders of middle size.

    swift build -c release --product text-scores
    pip install bert-score==0.3.13 transformers==4.57.6 tokenizers==0.22.2 torch==2.13.0
    python Tests/Parity/bert_score_parity.py .build/release/text-scores [PAIRS]

P, R and F must agree to 1e-5, with and without idf and rescaling, for RoBERTa from safetensors and DeBERTa from
pytorch_model.bin, of texts up to and beyond the models' 512 tokens. transformers 4, because version 5 ignores what
bert_score asks of the tokenizer. Batches of one: the padding of larger ones takes part in bert_score's maxima.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import warnings

import torch
from bert_score import score
from tokenizers import ByteLevelBPETokenizer
from transformers import DebertaConfig, DebertaModel, RobertaConfig, RobertaModel
from transformers.utils import logging

warnings.filterwarnings("ignore")
logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = "".join(open(os.path.join(HERE, "..", "..", name), encoding="utf-8").read()
               for name in ("README.md", "docs/architecture.md", "LICENSE"))
SPECIALS = {"roberta": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            "deberta": ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]}


def write_model(folder, family, seed):
    os.makedirs(folder)
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(TEXT.split("\n"), vocab_size=3000, min_frequency=2, special_tokens=SPECIALS[family])
    tokenizer.save_model(folder)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"model_max_length": 512}, file)
    shape = dict(vocab_size=tokenizer.get_vocab_size(), hidden_size=256, num_hidden_layers=6, num_attention_heads=4,
                 intermediate_size=1024)
    if family == "roberta":
        model = RobertaModel(RobertaConfig(**shape, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5))
    else:
        model = DebertaModel(DebertaConfig(**shape, max_position_embeddings=512, relative_attention=True,
                                           pos_att_type="c2p|p2c", position_biased_input=False))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if "LayerNorm.weight" in name:
                tensor.copy_(1 + 0.2 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(0.2 * noise)
            else:
                tensor.copy_((0.7 if "embeddings" in name else 1.2 / tensor.shape[-1] ** 0.5) * noise)
    if family == "roberta":
        model.save_pretrained(folder)
    else:
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))


def texts(count):
    draw = random.Random(1)
    words = TEXT.split()
    odd = ["", "naïve", "東京", "🙂", "<mask>", "[SEP]", "</s>", "don't", "\n\n", "1,234.5", "\u00a0"]

    def text(length):
        return " ".join(draw.choice(odd) if draw.random() < 0.05 else draw.choice(words) for _ in range(length))

    pairs = [("", [""]), ("a", [""]), ("", ["a", "b"]), ("same", ["same"])]
    while len(pairs) < count:
        length = draw.choice([1, 2, 4, 10, 30, 80, 250])
        pairs.append((text(length), [text(max(1, length + draw.randint(-2, 9))) for _ in range(draw.choice([1, 1, 1, 3]))]))
    return pairs


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 60
    pairs = texts(count)
    lines = "".join(json.dumps({"prediction": p, "references": r}) + "\n" for p, r in pairs)
    with tempfile.TemporaryDirectory() as root:
        for family in ("roberta", "deberta"):
            folder = os.path.join(root, family)
            write_model(folder, family, 3)
            for layer, idf, baseline in [(5, False, None), (6, True, None), (5, True, (0.31, 0.32, 0.3))]:
                path = os.path.join(root, "baseline.tsv")
                with open(path, "w") as file:
                    file.write("LAYER,P,R,F\n" + f"0,{','.join(map(str, baseline or (0, 0, 0)))}\n" * (layer + 1))
                expected = score([p for p, _ in pairs], [r for _, r in pairs], model_type=folder, num_layers=layer, idf=idf,
                                 batch_size=1, nthreads=0, lang="en", rescale_with_baseline=baseline is not None,
                                 baseline_path=path)
                ours = subprocess.run(
                    [program, "bert", folder, str(layer), "idf" if idf else "no", "2",
                     ",".join(map(str, baseline)) if baseline else "none"], input=lines, capture_output=True, text=True,
                    check=True).stdout.splitlines()
                distances = [max(abs(a - b) for a, b in zip(json.loads(line), row))
                             for line, row in zip(ours, zip(*(x.tolist() for x in expected)))]
                assert len(distances) == len(pairs)
                print(f"{family} layer {layer}{' idf' if idf else ''}{' rescaled' if baseline else ''}: "
                      f"{len(pairs)} pairs within {max(distances):.1e}")
                assert max(distances) < 1e-5, distances


main()
