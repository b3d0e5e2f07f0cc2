#!/usr/bin/env bash
# Opens the page that `-o html` writes in a real browser. Takes the folder with the built programs, and a script to run
# instead of the tests.
# The browser is $CHROMIUM, or a Chromium in PATH; root in CI installs Debian's.
set -euo pipefail
bin=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")"

find_chromium() {
    local name
    for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
        command -v "$name" && return
    done
    return 1
}

if ! chromium=$(find_chromium); then
    if [[ ${CI:-} && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core
        chromium=$(find_chromium)
    else
        echo 'no Chromium: install it (Debian: apt-get install chromium), or name it in CHROMIUM' >&2
        exit 1
    fi
fi
command -v npm >/dev/null || { echo 'no npm: install Node.js 20 or newer' >&2; exit 1; }

npm ci --no-audit --no-fund --ignore-scripts >&2
export CHROMIUM=$chromium BIN=$bin
[ $# = 1 ] || exec node "$2"
exec node --test --test-concurrency=1 ./*.test.js
