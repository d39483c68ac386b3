#!/bin/bash
# Fuzzes every target, or those named: fuzz/run.sh SECONDS [TARGET...]. trace:FORMAT is the target trace with one reading alone. On a
# stable compiler: the coverage that libFuzzer needs is a pass of LLVM; a sanitizer of addresses would need a nightly one, and the
# project has no unsafe code.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
cargo build --release --quiet --target "$host" --target-dir ../target/fuzz
for wanted in ${*:-experiment trace flowref store profile}; do
    target=${wanted%%:*}
    unset NETKV_FUZZ_READING
    [ "$target" = "$wanted" ] || export NETKV_FUZZ_READING="${wanted#*:}"
    echo "== $wanted, $seconds s"
    # What it finds on its way is kept out of the tree; only what is worth it is added to corpus/ by hand.
    found="../target/fuzz/corpus/$wanted"
    mkdir -p "$found" ../target/fuzz/found
    "../target/fuzz/$host/release/$target" "$found" "corpus/$target" -dict="words/$target.dict" \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -max_len=4000 -print_final_stats=1 \
        -artifact_prefix="../target/fuzz/found/$target-" 2>&1 | grep -v -E "^#|NEW|REDUCE|pulse" | tail -25
    [ "${PIPESTATUS[0]}" = 0 ]
done
