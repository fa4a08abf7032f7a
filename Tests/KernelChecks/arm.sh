#!/usr/bin/env bash
# Builds the kernels for 64-bit Arm, runs them under qemu and compares their hashes with the committed ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

for tool in clang aarch64-linux-gnu-gcc qemu-aarch64; do
  command -v "$tool" >/dev/null || {
    echo "make test-arm: $tool is missing: clang comes with Swift, the others with Debian's gcc-aarch64-linux-gnu," \
      "libc6-dev-arm64-cross and qemu-user" >&2
    exit 1
  }
done

sources=../../Sources/CShoal
libraries=$(dirname "$(aarch64-linux-gnu-gcc -print-libgcc-file-name)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang --target=aarch64-linux-gnu --sysroot=/usr/aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include \
  -B"$libraries" -L"$libraries" -B/usr/aarch64-linux-gnu/lib -L/usr/aarch64-linux-gnu/lib -fuse-ld=lld -static \
  -O2 -std=gnu11 -I"$sources/include" -Iinclude main.c kernel_checks.c model_checks.c "$sources"/levels.c "$sources"/nf4_values.c \
  "$sources"/levels/*.c -lm -o "$work/checks"
qemu-aarch64 "$work/checks" >"$work/hashes"
for table in 0 1 2; do
  sed -n "s/^$table //p" "$work/hashes" | diff ../Fixtures/kernel_bits.txt <(sed -n 1p ../Fixtures/kernel_bits.txt; cat) || {
    echo "make test-arm: table $table gives other bits" >&2
    exit 1
  }
done
echo "make test-arm: $(($(wc -l <"$work/hashes") / 3)) kernels of three tables give the committed bits"
