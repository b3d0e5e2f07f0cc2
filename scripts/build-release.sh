#!/bin/sh
# Builds the program as it is released, and writes it to the path given. The Dockerfile runs it, and `make test-image`.
# Linked statically, also with libc, so that the image needs nothing but this file. It names no folder of the machine
# that built it: the same sources and compiler make the same bytes anywhere.
set -eu

to=$1
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
flags="-C target-feature=+crt-static"
flags="$flags --remap-path-prefix=$PWD=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
RUSTFLAGS=$flags cargo build --release --locked --package bedrock-model-map --features otlp \
    --bin bedrock-model-map --target "$target"
install -D "${CARGO_TARGET_DIR:-target}/$target/release/bedrock-model-map" "$to"
