#!/usr/bin/env bash
# Compares our policy dynamo_decode with NVIDIA Dynamo itself, decision by decision: docs/external.md.
#   scripts/conform.sh target/release/netkv [arguments of netkv conform dynamo]
# Installs the pinned wheel into target/dynamo-venv. Where it cannot be installed, or this machine makes no network namespaces,
# that is said, and nothing is compared.
set -euo pipefail
netkv=$(realpath "${1:-target/release/netkv}")
shift || true
cd "$(dirname "$0")/.."
venv=target/dynamo-venv
if ! { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check \
  -r validation/dynamo/requirements.txt; }; then
  echo "not compared: the wheel of Dynamo cannot be installed on this machine ($(uname -sm), $(python3 --version 2>&1))"
  exit 0
fi
if ! unshare --net --pid --fork $([ "$(id -u)" = 0 ] || echo --map-root-user) true 2> /dev/null; then
  echo "not compared: this machine makes no network namespaces, and the service listens on all addresses"
  exit 0
fi
release=$("$venv/bin/python" -c "import importlib.metadata as m; print(m.version('ai-dynamo-runtime'))")
"$netkv" conform dynamo "$@" --release "$release" --command "$venv/bin/python" -m dynamo.select_service
