#!/bin/sh
# Runs oracle.py with these arguments.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../python.sh" "$here/requirements.txt" "$here/oracle.py" "$@"
