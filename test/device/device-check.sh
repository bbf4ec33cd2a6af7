#!/bin/sh
# Checks and measures Graft on the NVIDIA GPU of this machine, beside PyTorch and JAX of its python3, in under 8 minutes.
# Nothing is fetched. Options are those of check.mjs: ./device-check.sh --stages golden,attention
cd "$(dirname "$0")" || exit 1
exec ./node test/device/check.mjs "$@"
