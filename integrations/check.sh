#!/usr/bin/env bash
# Builds and tests what is outside the default build: integrations/check.sh [dynamo] [python]; both if none is named.
# Each is a workspace of its own with its own lock. Builds go to target/ of the project, or to $CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
for one in ${*:-dynamo python}; do
    echo "== integrations: $one"
    case $one in
    dynamo)
        (
            cd integrations/dynamo-scorer
            export CARGO_TARGET_DIR="$target/dynamo-scorer"
            cargo fmt --check
            cargo clippy --locked --quiet --all-targets -- -D warnings
            cargo test --locked --quiet
        )
        ;;
    python)
        CARGO_TARGET_DIR="$target" cargo build --release --quiet --package netkv
        (cd integrations/python && cargo fmt --check)
        python3 -m venv "$target/python-venv"
        "$target/python-venv/bin/pip" install --quiet --disable-pip-version-check maturin mypy polars pandas pyarrow
        rm -rf "$target/wheels"
        PATH="$target/python-venv/bin:$PATH" CARGO_TARGET_DIR="$target" maturin build --release --locked --quiet \
            --manifest-path integrations/python/Cargo.toml --out "$target/wheels"
        "$target/python-venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$target"/wheels/*.whl
        NETKV_PROGRAM="$target/release/netkv" "$target/python-venv/bin/python" -m unittest discover -s integrations/python/tests
        "$target/python-venv/bin/mypy" --strict integrations/python/python/netkv
        ;;
    *)
        echo "there are dynamo and python; not $one" >&2
        exit 64
        ;;
    esac
done
echo "integrations: all that was asked for passed"
