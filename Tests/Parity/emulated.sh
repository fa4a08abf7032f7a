#!/usr/bin/env bash
# Whether two steps of DPO on the demo's model give the same adapter on this processor, at its plain level, and on an
# emulated one without AVX (qemu-x86_64 -cpu Nehalem, Debian's qemu-user). Some minutes, nearly all of them emulation.
#
#     Tests/Parity/emulated.sh [SHOAL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
shoal=${1:-.build/release/shoal}
command -v qemu-x86_64 >/dev/null || { echo "emulated.sh: qemu-x86_64 is missing (Debian: qemu-user)" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/run.yaml" <<END
base_model: $PWD/demo/model
rl: dpo
datasets:
  - path: $PWD/demo/preferences.jsonl
adapter: lora
lora_r: 8
lora_alpha: 16
lora_dropout: 0.1
lora_target_linear: true
learning_rate: 1e-3
lr_scheduler: constant
precompute_ref_log_probs: false
micro_batch_size: 1
gradient_accumulation_steps: 1
max_steps: 2
END

# The first 16 digits of the adapter's hash.
adapter() {
  local name=$1
  shift
  "$@" train "$work/run.yaml" output_dir="$work/$name" >"$work/$name.log" 2>&1 || { cat "$work/$name.log" >&2; exit 1; }
  sha256sum "$work/$name/adapter_model.safetensors" | cut -c 1-16
}

expected=$(adapter native "$shoal")
echo "native   $expected"
status=0
check() {
  echo "$1 $2"
  [[ $2 = "$expected" ]] || status=1
}
check "plain   " "$(SHOAL_VECTOR_LEVEL=plain adapter plain "$shoal")"
check "Nehalem " "$(adapter nehalem qemu-x86_64 -cpu Nehalem "$shoal")"
((status == 0)) || echo "emulated.sh: the adapters differ" >&2
exit $status
