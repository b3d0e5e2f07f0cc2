#!/bin/sh
# rustdoc with its unstable options, which is what lists the public items.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
