#!/bin/bash
# Breaks a small sweep in every way that docs/sweeps.md tells of. All must end in one sum of cells.parquet, and leave no file
# behind. What this machine lacks (GNU parallel; Slurm and root; root for a disk that fills) is not tried, and is said at the end.
# Usage: scripts/faults.sh NETKV; in a folder of its own, some minutes.
set -eu
netkv=$(realpath "$1")
scripts=$(realpath "$(dirname "$0")")
smoke=$(realpath "$scripts/../experiments/smoke.toml")
here=$(mktemp -d)
not_tried=""
clean_up() {
    [ ! -d "$here/slurm-daemons" ] || "$scripts/slurm.sh" down "$here/slurm-daemons"
    ! mountpoint --quiet "$here/disk" || umount "$here/disk"
    rm -rf "$here"
}
trap clean_up EXIT
cd "$here"
mkdir bin
ln -s "$netkv" bin/netkv
export PATH="$here/bin:$PATH"
printf "extends = '%s'\nname = 'x'\nseeds = 10\nrecord = 'requests'\n[workload]\nmax_requests = 800\n" "$smoke" > x.toml

run() { "$netkv" run x.toml --quiet "$@" > /dev/null 2>> log; }
expect() { # NAME FOLDER
    local left sum
    sum=$(cat "$2/x/cells.parquet" "$2/x/requests.parquet" | sha256sum)
    left=$(find "$2/x" -type f | grep -v -E '/(cells|summary|provenance|requests)\.parquet$|/manifest\.toml$|/cells/(experiment|segment-[0-9]+\.jsonl|requests-[0-9]+/[0-9a-f]{32}\.parquet)$' || true)
    if [ "$sum" != "${whole:=$sum}" ] || [ -n "$left" ]; then
        echo "FAILED: $1: $sum, not $whole; left behind: ${left:-nothing}"
        tail -5 log
        exit 1
    fi
    echo "ok: $1: ${sum:0:16}"
}

run --out single
expect "a single run" single

for shard in 1 2 3 4 5 6 7 8; do run --out "node$shard" --shard "$shard/8"; done
"$netkv" gather node*/x --experiment x.toml --out gathered > /dev/null 2>> log
expect "eight shards, gathered" gathered

if command -v parallel > /dev/null; then
    netkv emit parallel x.toml --shards 8 --out parallel 2>> log | sh > /dev/null 2>> log
    expect "eight shards by GNU parallel" parallel
else
    not_tried="$not_tried; GNU parallel"
fi

if command -v sbatch slurmctld slurmd munged > /dev/null && [ "$(id -u)" = 0 ] && "$scripts/slurm.sh" up slurm-daemons 2>> log; then
    export SLURM_CONF="$here/slurm-daemons/slurm.conf"
    netkv emit slurm x.toml --shards 8 --out slurm > array.sbatch 2>> log
    sbatch --wait array.sbatch >> log 2>&1
    netkv gather slurm/x --experiment x.toml --out slurm > /dev/null 2>> log
    expect "a Slurm array of eight" slurm
else
    not_tried="$not_tried; a Slurm array"
fi

for moment in $(seq 20); do
    "$netkv" run x.toml --quiet --out killed > /dev/null 2>> log &
    running=$!
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    kill -KILL $running 2>> log || true
    wait $running 2>> log || true
done
run --out killed
expect "killed at twenty moments, resumed" killed

run --out two & one=$!
run --out two --filter regime=congested & other=$!
wait $one && wait $other
cells=$(cat two/x/cells/segment-*.jsonl | grep -c '"digest"')
[ "$cells" = 60 ] || { echo "FAILED: two at once ran $cells of 60 cells"; exit 1; }
expect "two at once, 60 cells run" two

for segment in killed/x/cells/segment-*.jsonl; do truncate -s -40 "$segment"; done
run --out killed
expect "torn segments" killed

for segment in two/x/cells/segment-*.jsonl two/x/cells/requests-*/*.parquet; do
    size=$(stat -c %s "$segment")
    at=$((RANDOM * 32768 % size))
    byte=$(od -An -tu1 -j $at -N1 "$segment")
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$segment" bs=1 seek=$at conv=notrunc status=none
done
run --out two
expect "flipped bits in segments and kept requests" two

for table in single/x/cells.parquet single/x/summary.parquet single/x/requests.parquet; do
    printf '\x55' | dd of=$table bs=1 seek=$(($(stat -c %s $table) / 2)) conv=notrunc status=none
done
"$netkv" figures --results single --out figures > /dev/null 2> refused && { echo "FAILED: a changed table was drawn"; exit 1; }
grep -q "is not the table that" refused
run --out single
expect "changed tables" single

run --out stopped & stopped=$!
sleep 0.3
kill -STOP $stopped
find stopped/x/cells/claims -name 'run-*' -exec touch -d '3 minutes ago' {} + 2>> log || true
run --out stopped
kill -CONT $stopped
wait $stopped
expect "stopped for minutes while another took over" stopped

mkdir disk
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=600k netkv disk 2>> log; then
    code=0
    run --out disk || code=$?
    [ "$code" = 75 ] || { echo "FAILED: a full disk ended with $code, not 75"; tail -5 log; exit 1; }
    [ "$(cat disk/x/cells/segment-*.jsonl | grep -c '"digest"')" -gt 0 ] || { echo "FAILED: nothing fitted the disk"; exit 1; }
    mount -o remount,size=100m disk
    run --out disk
    expect "a disk that was full and then enlarged" disk
    umount disk
else
    not_tried="$not_tried; a disk that fills"
fi

(ulimit -f 16; ! run --out limited)
run --out limited
expect "a limit on the size of files" limited

"$netkv" verify x.toml --out single --sample 10 --quiet
[ -z "$not_tried" ] || echo "NOT TRIED on this machine: ${not_tried#; }"
