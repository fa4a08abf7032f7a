#!/usr/bin/env bash
# Whether training with a base in int8 ends elsewhere than in fp32: the demo's run with several seeds, both ways, judged on
# the held-out pairs. Prints each run, and the paired differences with their 95 % interval.
#
#     Tests/Parity/int8_seeds.sh SHOAL [SEEDS]
#
# Some four minutes of two cores for six seeds.
set -euo pipefail
shoal=$(realpath "$1") seeds=${2:-6}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The value of a metric in a run's last evaluation.
metric() { grep '"eval_loss"' "$work/$1/metrics.jsonl" | tail -n 1 | sed -n "s|.*\"$2\":\([-0-9.e]*\).*|\1|p"; }

for ((seed = 1; seed <= seeds; seed++)); do
  for in_8bit in false true; do
    run=$seed-$in_8bit
    "$shoal" train configs/demo.yaml seed="$seed" load_in_8bit=$in_8bit sample_documents=0 output_dir="$work/$run" \
      >/dev/null 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
    for name in eval_loss eval_logps/accuracies eval_rewards/accuracies eval_rewards/margins; do
      echo "$name $seed $in_8bit $(metric "$run" "$name")"
    done
  done
done | awk '
  { value[$1, $2, $3] = $4; if (!($1 in known)) { known[$1] = 1; names[++count] = $1 } if ($2 > seeds) seeds = $2 }
  END {
    # Quantiles of the t distribution at 97.5 %, for 1 to 11 degrees of freedom.
    split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201", t, " ")
    print "| metric | fp32, by seed | int8, by seed | mean difference, 95 % interval | spread of fp32 over seeds |"
    print "|---|---|---|---|---|"
    for (n = 1; n <= count; n++) {
      name = names[n]; a = b = ""; sum = squares = own = ownSquares = 0
      for (s = 1; s <= seeds; s++) {
        x = value[name, s, "false"]; y = value[name, s, "true"]
        a = a sprintf("%.4f ", x); b = b sprintf("%.4f ", y)
        sum += y - x; squares += (y - x) ^ 2; own += x; ownSquares += x ^ 2
      }
      mean = sum / seeds; deviation = sqrt((squares - seeds * mean ^ 2) / (seeds - 1))
      spread = sqrt((ownSquares - own ^ 2 / seeds) / (seeds - 1))
      printf "| %s | %s| %s| %+.4f ± %.4f | %.4f |\n", name, a, b, mean, t[seeds - 1] * deviation / sqrt(seeds), spread
    }
  }'
