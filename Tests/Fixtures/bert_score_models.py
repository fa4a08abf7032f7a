"""Tiny random RoBERTa and DeBERTa checkpoints, and bert_score's numbers for them.

    pip install bert-score==0.3.13 transformers==4.57.6 tokenizers==0.22.2 torch==2.13.0
    python Tests/Fixtures/bert_score_models.py

Writes Tests/Fixtures/bert/. transformers is one of the versions that bert_score 0.3.13 was written for: since version 5 it
ignores add_prefix_space, and lacks what bert_score calls for empty texts. Scores are of batches of one pair, because
padding takes part in bert_score's maxima; several references of a pair become several pairs, as there.
"""

import json
import os
import random
import shutil
import sys

import numpy
import torch
import transformers
from bert_score import score
from tokenizers import ByteLevelBPETokenizer
from transformers import DebertaConfig, DebertaModel, RobertaConfig, RobertaForMaskedLM, RobertaModel

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = open(os.path.join(HERE, "..", "..", "LICENSE"), encoding="utf-8").read()


def write_vocabulary(folder, specials, size=400):
    """vocab.json and merges.txt of byte-level BPE, with the family's special tokens."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(TEXT[:4000].split("\n"), vocab_size=size, min_frequency=2, special_tokens=specials)
    os.makedirs(folder, exist_ok=True)
    tokenizer.save_model(folder)
    return tokenizer.get_vocab_size()


ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]


def spread(model, seed):
    """Weights of a size at which layers matter, biases and norms that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if "LayerNorm.weight" in name:
                tensor.copy_(1 + 0.2 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(0.2 * noise)
            elif "embeddings" in name:
                tensor.copy_(0.7 * noise)
            else:
                tensor.copy_(1.2 * noise / tensor.shape[-1] ** 0.5)
    return model.eval()


def configuration(folder, **keys):
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump(keys, file)


def texts():
    draw = random.Random(5)
    words = TEXT[:6000].split()
    odd = ["naïve", "東京", "🙂", "e\u0301", "<mask>", "[MASK]", "</s>", "don't", "  two  spaces", "1,234.5", "\u00a0", "ﬁ"]

    def text(count):
        return " ".join(draw.choice(odd) if draw.random() < 0.1 else draw.choice(words) for _ in range(count))

    pairs = [("", ["the reference"]), ("a prediction", [""]), (" \n", [" "]), ("same text", ["same text"]),
             ("  spaces around\u00a0", ["\tspaces around"]), ("one", ["one", "two words", "no, three words"])]
    for count in [1, 2, 3, 5, 8, 13, 20, 30]:
        pairs.append((text(count), [text(max(1, count + draw.randint(-2, 4))) for _ in range(draw.choice([1, 1, 2]))]))
    # Longer than the models' positions.
    pairs.append((text(90), [text(60)]))
    return pairs


def scores(folder, layer, pairs, idf, baseline):
    path = None
    if baseline:
        path = os.path.join(folder, "baseline.tsv")
        with open(path, "w") as file:
            file.write("LAYER,P,R,F\n" + "".join(f"{i},{','.join(map(str, baseline))}\n" for i in range(layer + 1)))
    numbers = score([p for p, _ in pairs], [r for _, r in pairs], model_type=folder, num_layers=layer, idf=idf,
                    batch_size=1, nthreads=0, lang="en", rescale_with_baseline=bool(baseline), baseline_path=path)
    if path:
        os.remove(path)
    return [[float(number) for number in row] for row in zip(*numbers)]


def states(folder, layer, sentence):
    """The hidden rows that bert_score compares, of one text."""
    from bert_score.utils import bert_encode, get_model, get_tokenizer, sent_encode

    tokenizer, model = get_tokenizer(folder), get_model(folder, layer)
    ids = sent_encode(tokenizer, sentence)
    rows = bert_encode(model, torch.tensor([ids]), torch.ones(1, len(ids)))[0]
    return {"text": sentence, "ids": ids, "rows": [[round(float(x), 6) for x in row] for row in rows[:, :4]]}


def roberta(folder, store, count=24):
    shutil.rmtree(folder, ignore_errors=True)
    vocabulary = write_vocabulary(folder, ROBERTA)
    configuration(folder, model_max_length=count)
    config = RobertaConfig(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=count + 2, type_vocab_size=1, layer_norm_eps=1e-5)
    store(spread(RobertaForMaskedLM(config) if count == 24 else RobertaModel(config), 1), folder)


def deberta(folder, store, **keys):
    shutil.rmtree(folder, ignore_errors=True)
    vocabulary = write_vocabulary(folder, DEBERTA)
    configuration(folder, do_lower_case=False, model_max_length=40)
    config = DebertaConfig(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, relative_attention=True, layer_norm_eps=1e-7,
        **{"pos_att_type": ["c2p", "p2c"], "position_biased_input": False, **keys})
    store(spread(DebertaModel(config), 2), folder)


def safetensors(model, folder):
    model.half().save_pretrained(folder)


def torch_file(model, folder):
    model.config.save_pretrained(folder)
    torch.save(model.half().state_dict(), os.path.join(folder, "pytorch_model.bin"))


def old_torch_file(model, folder):
    model.config.save_pretrained(folder)
    torch.save(model.half().state_dict(), os.path.join(folder, "pytorch_model.bin"),
               _use_new_zipfile_serialization=False)


def ids(folder):
    """Texts with the ids of both forms of the tokenizer: vocab.json with merges.txt, and tokenizer.json."""
    from transformers import AutoTokenizer

    slow, fast = (AutoTokenizer.from_pretrained(folder, use_fast=kind) for kind in (False, True))
    fast.backend_tokenizer.save(folder + "-tokenizer.json", pretty=False)
    mask = slow.mask_token
    pieces = [f"a {mask} b", f"a  {mask}  b", f"{mask}{mask}", f"x{mask}", f"\u3000{mask} {slow.sep_token}", f"{slow.cls_token}a",
              f"a {slow.pad_token} b{slow.unk_token}", "", " ", "  two  spaces\n\nand lines ", "naïve 東京 🙂 e\u0301",
              "The \"Licensor\" shall mean 1,234.5 don't we'll I'M", "\u00a0\u2009x\t\x0by", "a\u0000b"]
    return [[text, slow(text)["input_ids"], fast(text)["input_ids"]] for text in pieces]


def main():
    torch.set_num_threads(1)
    os.chdir(HERE)
    pairs = texts()
    models = {
        "bert/roberta": lambda folder: roberta(folder, safetensors),
        "bert/deberta": lambda folder: deberta(folder, torch_file),
        # Fewer distances than tokens, positions in the input, types of tokens, one kind of product.
        "bert/deberta-near": lambda folder: deberta(
            folder, old_torch_file, max_relative_positions=7, type_vocab_size=2, position_biased_input=True,
            pos_att_type=["p2c"]),
    }
    cases = []
    for folder, make in models.items():
        make(folder)
        for layer, idf, baseline in [(2, False, None), (3, True, None), (3, False, (0.3, 0.31, 0.29)), (0, False, None)]:
            cases.append({"model": os.path.basename(folder), "layer": layer, "idf": idf, "baseline": baseline,
                          "scores": scores(folder, layer, pairs, idf, baseline)})
    rows = {os.path.basename(f): [states(f, 3, s) for s in ("the text <mask> x", pairs[-1][0])] for f in models}
    tokens = {os.path.basename(folder): ids(folder) for folder in ("bert/roberta", "bert/deberta")}
    with open("bert/ids.json", "w") as file:
        json.dump(tokens, file)
    with open("bert/scores.json", "w") as file:
        json.dump({"pairs": pairs, "cases": cases, "states": rows}, file)
    print(transformers.__version__, numpy.__version__, torch.__version__, sys.version)


main()
