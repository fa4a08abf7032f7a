"""Every objective of Shoal beside TRL's trainer for it: losses, gradient norms and metrics over six AdamW steps.

usage: objectives_parity.py SHOAL_BINARY WORKDIR [--only NAME …] [--reuse]
       objectives_parity.py .build/release/shoal W --reuse --only orpo kto

Pinned: see requirements.txt (trl 1.16.0, transformers 5.23.0, peft 0.21.2, torch 2.13.0).
Makes a tiny checkpoint with the real vocabulary, an adapter whose B is not zero and standard (string) data in
WORKDIR, trains from them with TRL and with `shoal` in float32, and prints a table; the exit status is 0 when every
line holds. paired_runs.py says what is compared and how.
"""
from paired_runs import Case, main

PAIR = ("rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected")
UNPAIRED = ("rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl")


def dpo(name, losses, weights=None, beta=0.1, smoothing=0.0, reference="base", data="pairs", trl=None, shoal=None,
        **options):
    """`trl` and `shoal` replace settings of their side."""
    ours = {"rl": "dpo", "rl_beta": beta, "dpo_label_smoothing": smoothing,
            "dpo_loss_type": losses if len(losses) > 1 else losses[0]}
    if weights:
        ours["dpo_loss_weights"] = weights
    return Case(
        name, "dpo", data,
        {"beta": beta, "label_smoothing": smoothing, "loss_type": losses, "loss_weights": weights, **(trl or {})},
        {**ours, **(shoal or {})}, PAIR, reference, **options)


def reference_free(name, rl, trl, shoal, beta=0.1, metrics=("nll_loss",), **options):
    return Case(
        name, "orpo" if rl == "orpo" else "cpo", "pairs", {"beta": beta, **trl}, {"rl": rl, "rl_beta": beta, **shoal},
        PAIR + metrics, **options)


def kto(name, desirable=1.0, undesirable=1.0, **options):
    return Case(
        name, "kto", "unpaired", {"beta": 0.1, "desirable_weight": desirable, "undesirable_weight": undesirable},
        {"rl": "kto", "rl_beta": 0.1, "kto_desirable_weight": desirable, "kto_undesirable_weight": undesirable},
        UNPAIRED, **{"reference": "base", **options})


def sft(name, data, datasets=None):
    return Case(name, "sft", data, {}, datasets or {})


CASES = [
    dpo("sigmoid", ["sigmoid"]),
    dpo("sigmoid-start", ["sigmoid"], reference="start"),
    # DPOTrainer ignores label smoothing here. With A = −log σ(x) and robust R = ((1−ε)A − εB) / (1−2ε), where
    # B = −log σ(−x), cDPO is (1−ε)A + εB = 2(1−ε)A − (1−2ε)R.
    dpo("sigmoid-smoothed", ["sigmoid"], smoothing=0.1,
        trl={"loss_type": ["sigmoid", "robust"], "loss_weights": [1.8, -0.8]}),
    dpo("sigmoid_norm", ["sigmoid_norm"], beta=2.0),
    dpo("ipo", ["ipo"]),
    dpo("ipo-rl", ["ipo"], shoal={"rl": "ipo", "dpo_loss_type": None}),
    dpo("hinge", ["hinge"]),
    dpo("robust", ["robust"], smoothing=0.1),
    dpo("exo_pair", ["exo_pair"], smoothing=0.1),
    dpo("nca_pair", ["nca_pair"]),
    dpo("bco_pair", ["bco_pair"]),
    dpo("sppo_hard", ["sppo_hard"]),
    dpo("apo_zero", ["apo_zero"]),
    dpo("apo_down", ["apo_down"]),
    dpo("aot", ["aot"], data="even"),
    dpo("aot-smoothed", ["aot"], smoothing=0.1, data="even"),
    dpo("aot_unpaired", ["aot_unpaired"], data="even"),
    dpo("discopop", ["discopop"], beta=0.05),
    dpo("sft-member", ["sft"]),
    dpo("mpo", ["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0]),
    dpo("list-unweighted", ["sigmoid", "nca_pair"]),
    dpo("rpo_alpha", ["sigmoid", "sft"], [1.0, 0.5],
        shoal={"dpo_loss_type": "sigmoid", "dpo_loss_weights": None, "rpo_alpha": 0.5}),
    reference_free("cpo", "cpo", {}, {}),
    reference_free("cpo-alpha-0", "cpo", {"cpo_alpha": 0.0}, {"cpo_alpha": 0.0}, metrics=()),
    reference_free("cpo-smoothed", "cpo", {"label_smoothing": 0.1, "cpo_alpha": 0.3},
                   {"dpo_label_smoothing": 0.1, "cpo_alpha": 0.3}),
    reference_free("simpo", "simpo", {"loss_type": "simpo", "cpo_alpha": 0.0}, {}, beta=2.0, metrics=()),
    reference_free("simpo-gamma", "simpo", {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": 1.2},
                   {"cpo_alpha": 0.0, "simpo_gamma": 1.2}, beta=2.5, metrics=()),
    reference_free("simpo-alpha-0.5", "simpo", {"loss_type": "simpo", "cpo_alpha": 0.5}, {"cpo_alpha": 0.5}, beta=2.0),
    reference_free("orpo", "orpo", {}, {}, metrics=("nll_loss", "log_odds_ratio", "log_odds_chosen")),
    reference_free("orpo-beta-1", "orpo", {}, {}, beta=1.0, metrics=("nll_loss", "log_odds_ratio", "log_odds_chosen")),
    kto("kto"),
    kto("kto-weighted", 1.4, 0.6),
    kto("kto-start", reference="start"),
    sft("sft-completions", "completions"),
    sft("sft-texts", "texts"),
    Case("sft-packed", "packed", "completions", {}, {
        "sample_packing": True, "sequence_len": 51, "micro_batch_size": 1, "gradient_accumulation_steps": 2}),
]

if __name__ == "__main__":
    main(__doc__, CASES, {"adapter": {}})
