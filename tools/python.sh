#!/bin/sh
# Runs Python in a virtual environment that is made once for each state of a file of requirements:
#
#   python.sh REQUIREMENTS ARGUMENT…
#
# The file names every package with its version and hashes, also those that another one needs.
set -eu

requirements=$1
shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bedrock-model-map/python
# The interpreter counts too: an environment does not outlive the one it was made with.
interpreter=$(python3 -c 'import sys; print(sys.executable, sys.version)')
hash=$(python3 -c '
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.argv[2].encode()).hexdigest())
' "$requirements" "$interpreter")
environment=$cache/$hash

if ! [ -x "$environment/bin/python" ]; then
    mkdir -p "$cache"
    building=$(mktemp -d "$cache/building.XXXXXX")
    trap 'rm -rf "$building"' EXIT
    trap 'exit 1' HUP INT TERM
    python3 -m venv "$building" >&2
    "$building/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: -r "$requirements" >&2
    # Only bin/python is used, which still works after the move. If another run was faster, its environment is there.
    python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$building" "$environment" 2>/dev/null ||
        [ -x "$environment/bin/python" ]
    rm -rf "$building"
    trap - EXIT HUP INT TERM
fi

exec "$environment/bin/python" "$@"
