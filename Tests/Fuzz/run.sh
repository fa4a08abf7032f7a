#!/bin/bash
# Fuzzes every parser, or the named parsers, and prints a table of executions, time and finds.
# FUZZ_RUNS: executions of each (default 1000000). Inputs that crash, hang or fill memory go to .build-fuzz/finds.
set -u
cd "$(dirname "$0")/../.." || exit 1
runs=${FUZZ_RUNS:-1000000}
build=.build-fuzz
program=$build/release/Fuzz
export SHOAL_FUZZ=1 SWIFT_BACKTRACE=enable=no OMP_NUM_THREADS=1
# lld: GNU gold, the default, fails because libFuzzer and the program both have a main function.
swift build -c release --product Fuzz --scratch-path $build \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld || exit 1
# Leaks are not checked: a container lacks the rights for that.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
[ $# -gt 0 ] || mapfile -t parsers < <($program --list)
[ $# -eq 0 ] || parsers=("$@")
mkdir -p $build/finds
finds=0
printf '%-18s %11s %8s %9s %6s %7s %6s\n' parser executions seconds exec/s edges 'RSS MB' finds
for parser in "${parsers[@]}"; do
  corpus=$build/corpus/$parser
  log=$build/$parser.log
  mkdir -p "$corpus"
  rm -f $build/finds/"$parser"-*
  start=$SECONDS
  # A stack overflows at long templates only.
  length=16384
  [ "$parser" != template ] || length=65536
  # More than ten seconds for so little count as a hang.
  nice -n 15 $program "$parser" -runs="$runs" -max_len="$length" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$build/finds/$parser-" \
    "$corpus" "Tests/Fuzz/Corpus/$parser" >"$log" 2>&1
  seconds=$((SECONDS - start))
  found=$(find $build/finds -name "$parser-*" | wc -l)
  finds=$((finds + found))
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  memory=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
  edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
  printf '%-18s %11s %8s %9s %6s %7s %6s\n' "$parser" "${executed:-?}" "$seconds" \
    "$((${executed:-0} / (seconds > 0 ? seconds : 1)))" "${edges:-?}" "${memory:-?}" "$found"
done
[ "$finds" -eq 0 ] || { echo "inputs that were found: $build/finds" >&2; exit 1; }
