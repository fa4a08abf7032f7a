#!/usr/bin/env bash
# Whether two builds of shoal compute the same, to the last bit: for changes that must change no result.
#
#     Tests/Parity/same_bits.sh OLD_SHOAL NEW_SHOAL
#     Tests/Parity/same_bits.sh SHOAL                  only shows what one build computes
#     Tests/Parity/same_bits.sh --write FILE SHOAL     and keeps its hashes
#     Tests/Parity/same_bits.sh --against FILE SHOAL   and compares with hashes that were kept
#
# Trains with every file in configs/ on the demo's model, and with every objective and many settings on the tiny model
# of the tests. A row is a run: its 12 digits stand for the hashes of the final adapter, of every checkpoint's adapter
# and optimizer, of the metrics without clocks, and of the samples. On other numbers of ranks, and when it goes on from
# a checkpoint, a job has to repeat the digits of its first row; "-" is a row with nothing to compare it with. The exit
# status is 1 when anything differs. About a minute per build on two cores.
#
# Hashes are good for one version of the kernels and of the demo's model, which is why none are committed.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1

mistake() {
  printf 'same_bits.sh: %s\n' "$1" >&2
  sed -n 's/^#     /usage: /p' "${BASH_SOURCE[0]}" >&2
  exit 64
}

kept='' written=''
case ${1-} in
  --write | --against)
    (($# == 3)) || mistake "$1 needs FILE and SHOAL"
    file=$(realpath "$2") || exit 1
    if [[ $1 = --write ]]; then written=$file; else kept=$file; fi
    shift 2
    ;;
esac
(($# == 1 || $# == 2)) || mistake "which SHOAL?"
# Runs start in a directory of their own, where relative paths lead elsewhere.
programs=()
for program; do
  [[ -f $program && -x $program ]] || mistake "$program is not a program"
  programs+=("$(realpath "$program")")
done
if [[ -n $written ]]; then : >"$written" || exit 1; fi
[[ -z $kept || -r $kept ]] || mistake "$kept cannot be read"

work=$(mktemp -d)
passed=0 failed=0
leave() {
  if ((failed)); then printf 'the runs: %s\n' "$work" >&2; else rm -rf "$work"; fi
}
trap leave EXIT
trap 'exit 1' INT TERM HUP
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# MARK: Inputs

# Where the configurations find what they name, so that they run as they are.
mkdir -p "$work/inputs/models" "$work/inputs/data/summaries"
cd "$work/inputs" || exit 1
ln -s "$root/demo" demo
ln -s "$root/Tests/Fixtures/tiny" tiny
for model in 0.5B 1.5B; do ln -s "$root/demo/model" "models/Qwen2-$model-Instruct"; done

# The demo's pairs in other formats: \1 is the request, \2 the better summary, \3 the other one.
as_format() {
  local text='\("[^"]*"\)'
  local turn='\[{"role": "[a-z]*", "content": '$text'}\]'
  sed "s|^{\"prompt\": $turn, \"chosen\": $turn, \"rejected\": $turn}\$|$1|" pairs.jsonl
}
head -n 24 demo/preferences.jsonl >data/preferences.jsonl
head -n 13 demo/preferences.jsonl >pairs.jsonl
as_format '{"messages": [{"role": "user", "content": \1}, {"role": "assistant", "content": \2}]}' >conversations.jsonl
as_format '{"text": \1}' >texts.jsonl
as_format '{"system": "Be brief.", "question": \1, "chosen": \2, "rejected": \3, "prefill": "In short: "}' \
  >data/summaries/train.jsonl

# Steps of 4 and 3 examples, so that checkpoint-3 lies within an epoch.
cat >tiny.yaml <<'END'
base_model: tiny/model
adapter: lora
lora_r: 4
lora_alpha: 8
lora_dropout: 0.1
lora_target_linear: true
rl: dpo
datasets:
  - path: pairs.jsonl
val_set_size: 6
sequence_len: 400
micro_batch_size: 4
learning_rate: 1e-3
warmup_steps: 1
max_steps: 6
eval_steps: 2
save_steps: 3
END

# MARK: Runs

# train SIDE PROGRAM NAME START RANKS THREADS CONFIG [key=value ...]: trains and lists the hashes of what came of it.
train() {
  local side=$1 program=$2 name=$3 start=$4 ranks=$5 threads=$6 config=$7
  local run="$work/$side/$name" launcher=()
  shift 7
  mkdir -p "$run"
  if [[ -n $start ]]; then
    cp -r "$work/$side/$start"/{config.yaml,metrics.jsonl,checkpoint-3} "$run" >"$run.log" 2>&1 || return
    # As an interrupted run leaves it: it proves that the files are a run's.
    sed 's/"state": "finished"/"state": "running"/' "$work/$side/$start/run.json" >"$run/run.json" || return
  fi
  # --quiet: mpirun adds eleven lines of its own to every exit code but 0.
  if ((ranks)); then launcher=(mpirun --quiet --oversubscribe --bind-to none -n "$ranks"); fi
  # A cache of its own: references and weights in 4 bits are made by this world too.
  SHOAL_CACHE="$run.cache" timeout 300 "${launcher[@]}" "$program" train "$config" --threads "$threads" "$@" \
    "output_dir=$run" </dev/null >"$run.log" 2>&1 || return
  if [[ -n $start ]] && ! grep -q 'going on after step 3' "$run.log"; then
    printf 'it did not go on from the checkpoint\n' >>"$run.log"
    return 1
  fi
  list "$run" >"$run.sums" 2>>"$run.log"
}

# What a run has to leave, and what it may.
list() (
  cd "$1" || return
  sha256sum adapter_model.safetensors checkpoint-*/{adapter_model,optimizer}.safetensors || return
  if [[ -e samples.jsonl ]]; then sha256sum samples.jsonl; fi
  grep -q '"eval_loss"' metrics.jsonl || { printf 'metrics.jsonl has no evaluation\n' >&2 && return 1; }
  sed -E 's/"[^"]*(seconds|_per_second)":[^,}]*,?//g' metrics.jsonl | sha256sum | sed 's/-$/metrics.jsonl/'
)

# The files that two lists tell apart.
differences() {
  if [[ -e $1 ]]; then sort "$1" "$2" | uniq -u | cut -c 67- | sort -u | paste -s -d ' '; else echo 'that failed'; fi
}

# row NAME LIKE START RANKS THREADS CONFIG [key=value ...]: one run by every program. LIKE names the row whose hashes it
# has to repeat, START the one from whose checkpoint it goes on; RANKS 0 is a run without mpirun.
row() {
  local name=$1 like=$2 verdict=same digits='' notes=() side found
  shift 2
  for side in "${!programs[@]}"; do
    if ! train "$side" "${programs[side]}" "$name" "$@"; then
      verdict=FAILED
      notes+=("${programs[side]}:" "$(tail -n 5 "$work/$side/$name.log")")
      continue
    fi
    digits=$(sha256sum <"$work/$side/$name.sums" | cut -c 1-12)
    if [[ -n $like ]] && found=$(differences "$work/$side/$like.sums" "$work/$side/$name.sums") && [[ -n $found ]]; then
      verdict=DIFFERENT
      notes+=("not as in \"$like\" by ${programs[side]}: $found")
    fi
  done
  if [[ $verdict = FAILED ]]; then
    digits=''
  elif [[ -n $before ]]; then
    [[ -z $kept ]] || hashes_kept "$name" >"$work/$before/$name.sums"
    found=$(differences "$work/$before/$name.sums" "$work/$after/$name.sums")
    if [[ -n $found ]]; then
      verdict=DIFFERENT
      notes+=("not as before: $found")
    fi
  elif [[ $verdict = same && -z $like ]]; then
    verdict=-
  fi
  if [[ $verdict = same || $verdict = - ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-9s  %-12s  %s\n' "$verdict" "$digits" "$name"
  for found in ${notes[@]+"${notes[@]}"}; do printf '%s\n' "$found" | sed 's/^/             /'; done
  if [[ -n $written && $verdict != FAILED ]]; then sed "s|  |  $name: |" "$work/$after/$name.sums" >>"$written"; fi
}

hashes_kept() {
  awk -v name="$1: " 'substr($0, 67, length(name)) == name { print substr($0, 1, 66) substr($0, 67 + length(name)) }' \
    "$kept"
}

# Sides are numbered as the programs are; hashes that were kept are another one.
before='' after=$((${#programs[@]} - 1))
if ((${#programs[@]} == 2)); then before=0; elif [[ -n $kept ]]; then before=kept && mkdir "$work/kept"; fi

# worlds LIKE NAME [key=value ...]: on one rank, on three, and from the first checkpoint on with two.
worlds() {
  row "$2" "$1" '' 0 1 tiny.yaml "${@:3}"
  row "$2, 3 ranks" "$2" '' 3 1 tiny.yaml "${@:3}"
  row "$2, 2 ranks from step 3" "$2" "$2" 2 1 tiny.yaml "${@:3}"
}

# variant LIKE NAME [key=value ...]: on one rank with two threads.
variant() { row "$2" "$1" '' 0 2 tiny.yaml "${@:3}"; }

# MARK: The table

# demo.yaml in full, the others for a few steps across the end of an epoch.
for config in "$root"/configs/*.yaml; do
  # It trains all weights of a model that `make demo-model` draws first.
  [[ $config != */demo-model.yaml ]] || continue
  if [[ $config = */demo.yaml ]]; then
    row demo.yaml '' '' 2 1 "$config"
  else
    row "${config##*/}" '' '' 0 2 "$config" val_set_size=3 sequence_len=112 warmup_steps=1 max_steps=5
  fi
done

worlds '' sft rl= datasets.0.field_completion=chosen
worlds '' sft-conversations rl= 'datasets=[{path: conversations.jsonl, type: chat_template}]' train_on_inputs=true \
  sequence_len=1024
worlds '' completion rl= 'datasets=[{path: texts.jsonl, type: completion}]'
worlds '' dpo
worlds dpo dpo-live-reference precompute_ref_log_probs=false
worlds '' dpo-rpo rpo_alpha=0.5
worlds '' dpo-weighted 'dpo_loss_type=[ipo, sft]' 'dpo_loss_weights=[1, 0.1]'
worlds '' dpo-margins 'dpo_loss_weights=[1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]' \
  'dpo_loss_type=[hinge, nca_pair, bco_pair, sppo_hard, apo_zero, apo_down, discopop, sigmoid_norm]'
worlds '' dpo-smoothed 'dpo_loss_type=[sigmoid, robust, exo_pair]' 'dpo_loss_weights=[1, 0.5, 0.5]' \
  dpo_label_smoothing=0.1
worlds '' dpo-aot dpo_loss_type=aot
worlds '' dpo-aot-unpaired 'dpo_loss_type=[sigmoid, aot_unpaired]'
worlds '' ipo rl=ipo
worlds '' orpo rl=orpo
worlds '' simpo rl=simpo rl_beta=2.5 cpo_alpha=0.5
worlds '' cpo rl=cpo dpo_label_smoothing=0.1
worlds '' kto rl=kto kto_undesirable_weight=0.5
worlds kto kto-live-reference rl=kto kto_undesirable_weight=0.5 precompute_ref_log_probs=false
worlds '' qlora base_model=demo/model adapter=qlora
if ((${#programs[@]} == 2)); then
  # A run under way goes on with the new build.
  row 'dpo, from step 3 of the old build' dpo ../0/dpo 0 2 tiny.yaml
fi

variant dpo recomputation gradient_checkpointing=true
variant '' lora-plus loraplus_lr_ratio=8
variant '' init-b peft_init_lora_weights=init_b
variant '' gaussian peft_init_lora_weights=gaussian
variant '' rslora peft_use_rslora=true
variant '' query-value lora_target_linear= 'lora_target_modules=[q_proj, v_proj]'
variant '' lion optimizer=lion learning_rate=1e-4 weight_decay=0.1
variant '' decay-and-clipping weight_decay=0.1 max_grad_norm=0.05
variant '' warmup-stable-decay lr_scheduler=warmup_stable_decay cooldown_steps=2
variant '' curriculum curriculum_sampling=true
variant '' started-adapter lora_model_dir=tiny/adapter
variant '' own-reference lora_model_dir=tiny/adapter rl_adapter_ref_model=true
variant own-reference own-live-reference lora_model_dir=tiny/adapter rl_adapter_ref_model=true \
  precompute_ref_log_probs=false

# Hashes of a job that is gone were compared with nothing.
if [[ -n $kept ]]; then
  while read -r name; do
    [[ ! -d $work/0/$name ]] || continue
    failed=$((failed + 1))
    printf '%-9s  %-12s  %s\n' MISSING '' "$name"
  done < <(cut -c 67- "$kept" | sed 's/: .*//' | uniq)
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
