#!/usr/bin/env bash
# The demo: trains in two ways, evaluates on held-out pairs, exports merged weights and says what changed.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
run=demo/run other=demo/run-sft merged=demo/merged

# Replaces what an earlier demo wrote there, and nothing else.
launch/local.sh -n 2 configs/demo.yaml --overwrite
launch/local.sh -n 2 configs/demo-sft.yaml --overwrite
.build/release/shoal export --model demo/model --adapter "$run" --format merged --out "$merged" --overwrite

# Three held-out reports, as documents.
documents=$(mktemp -d)
trap 'rm -rf "$documents"' EXIT
for number in 1 2 3; do
  sed -n "$number"'s|^{"prompt": \[{"role": "user", "content": "Summarise: \([^"]*\)".*|\1|p' demo/heldout.jsonl \
    >"$documents/report-$number.txt"
done

# Their faithful summaries beside those of the base and of both runs.
sed -n 's|^{"prompt": \(\[.*\]\), "chosen": \[{"role": "assistant", "content": "\([^"]*\)"}\], "rejected".*|{"messages": \1, "reference": "\2"}|p' \
  demo/heldout.jsonl >"$documents/references.jsonl"
table=$(.build/release/shoal evaluate "$run" "$other" --base --task rouge="$documents/references.jsonl" \
  --task preference=demo/heldout.jsonl --max-new-tokens 64 --out "$documents/results.json")

# The value of a metric in the first or last evaluation.
metric() { grep '"eval_loss"' "$run/metrics.jsonl" | "$1" -n 1 | sed -n "s|.*\"$2\":\([-0-9.e]*\).*|\1|p" | cut -c 1-6; }

# The same with its standard error.
measured() { echo "$(metric "$1" "eval_$2") ± $(metric "$1" "eval_$2_stderr")"; }

cat <<END

What changed, measured on $(wc -l <demo/heldout.jsonl) held-out pairs:
  eval_logps/accuracies    $(measured head logps/accuracies) before, $(measured tail logps/accuracies) after
                           (share of pairs whose faithful summary has the higher mean log-prob per token)
  eval_rewards/accuracies  $(measured tail rewards/accuracies) after
  eval_rewards/margins     $(measured tail rewards/margins) after

  $(awk -f demo/facts.awk demo/facts.txt "$run/samples.jsonl" | sed '2,3s|^|  |')
                           (names, places, numbers and months in the summaries of all held-out reports)

The base, this run (DPO) and one on the faithful summaries alone (SFT, $other), judged on the same held-out reports:

$table

Three held-out reports, summarised before and after:

$(cd "$documents" && "$OLDPWD/.build/release/shoal" summarize --model "$OLDPWD/demo/model" --adapter "$OLDPWD/$run" \
    --compare --prompt "$OLDPWD/demo/summarize.txt" report-1.txt report-2.txt report-3.txt)

Where it is:
  $run/metrics.jsonl             every step and evaluation
  $run/samples.jsonl             what the model wrote about each held-out report, evaluation by evaluation
  $run/adapter_model.safetensors the adapter, as PEFT loads it
  $merged/                    merged weights, as transformers loads them

The same with your own model and data:
  .build/release/shoal fetch Qwen/Qwen2-0.5B-Instruct --out models/Qwen2-0.5B-Instruct
  launch/local.sh -n 2 configs/qwen2-0.5b-dpo.yaml datasets.0.path=pairs.jsonl
  .build/release/shoal export --model models/Qwen2-0.5B-Instruct --adapter runs/qwen2-0.5b-dpo \\
      --format merged --out models/tuned
END
