#!/bin/sh
# Builds the program as it is released, and writes it to the path given. The Dockerfile runs it, and `make test-image`.
# Linked statically, also with libc, so that the image needs nothing but this file.
set -eu

to=$1
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked --package bedrock-model-map --features otlp \
    --bin bedrock-model-map --target "$target"
install -D "${CARGO_TARGET_DIR:-target}/$target/release/bedrock-model-map" "$to"
