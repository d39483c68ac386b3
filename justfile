# What people do daily. Every recipe is one cargo line: everything works without `just`.

# Show the recipes.
default:
    @just --list

# Run every experiment of the paper and draw its figures.
reproduce *args:
    cargo run --release -q -p netkv -- reproduce {{args}}

# Run all tests.
test:
    cargo test --release --workspace

# Format, lint and test: what must pass before a commit.
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    cargo test --release --workspace

# A reduced version of every experiment, that ends within a minute.
quick:
    cargo run --release -q -p netkv -- reproduce --quick

# Run an experiment: `just run experiments/load.toml`.
run *args:
    cargo run --release -q -p netkv -- run {{args}}

# Run one cell again: `just cell experiments/load.toml 17 --timing`.
cell *args:
    cargo run --release -q -p netkv -- cell {{args}}

# Draw the figures from results/.
figures *args:
    cargo run --release -q -p netkv -- figures {{args}}

# One page about experiments: `just report experiments/load.toml`; all results if none is named.
report *args:
    cargo run --release -q -p netkv -- report {{args}}

# Write the golden table anew, whose change is a commit of its own that says which model change caused it; and the pages about results and experiment files.
golden:
    NETKV_GOLDEN=write cargo test --release -p netkv --test golden --test schema

# Draw the pictures in ARCHITECTURE.md anew, from the imports.
picture:
    NETKV_PICTURE=write cargo test --release -p netkv --test structure architecture_shows

# Files that use each other in a circle, and rooms; there should be none.
circles:
    cargo test --release -p netkv --test structure -- circles --nocapture

# Break a small sweep in every way and compare what comes out: docs/sweeps.md.
faults:
    cargo build --release -q -p netkv
    scripts/faults.sh target/release/netkv

# Give any bytes to what reads files, SECONDS for each target: `just fuzz 60 trace`; fuzz/README.md.
fuzz *args:
    fuzz/run.sh {{args}}

# Benchmarks of the fabric: `just bench half_loaded`.
bench *args:
    cargo bench --manifest-path benches/Cargo.toml --target-dir target/benches -- {{args}}

# Compare the fabric with SimGrid on random cases; docs/validation.md says what must be installed.
validate *args:
    python3 validation/compare.py {{args}}

# Compare the fluid model with packets (ns-3) and with the kernel's TCP; docs/validation.md says what must be installed.
packets *args:
    python3 validation/packets/study.py {{args}}

# Compare a run, request by request, with Dynamo's simulator, which it installs; docs/validation.md has what came out.
simulators *args:
    python3 validation/simulators/side_by_side.py {{args}}

# The API documentation.
doc:
    cargo doc --workspace --no-deps
