#!/usr/bin/env bash
# Makes the demo's base model from nothing and compares it with demo/model. Needs python3 for the texts. A run that was stopped
# goes on when this is started again.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
base=demo/base weights=model.safetensors

mkdir -p "$base/fresh"
python3 demo/texts.py "$base/texts.jsonl"
# The model without its weights.
for name in config.json generation_config.json merges.txt tokenizer.json tokenizer_config.json vocab.json; do
  cp "demo/model/$name" "$base/fresh/"
done
launch/local.sh -n 2 configs/demo-model.yaml

made=$(sha256sum <"$base/run/$weights") committed=$(sha256sum <"demo/model/$weights")
if [[ $made = "$committed" ]]; then
  echo "$base/run/$weights has the bits of demo/model/$weights: ${made%% *}"
else
  echo "$base/run/$weights (${made%% *}) differs from demo/model/$weights (${committed%% *})" >&2
  exit 1
fi
