#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the partners of fine-x4 and fine-x2 that remove less noise (--denoise) anew, from those as they are in models/ now.
#
#   training/partner.sh CACHE realesr-general-wdn-x4v3.pth RUN
#
# CACHE: of make_data.py taught, with which fine-x4 was trained. STEPS of training follow what least squares give (0: none);
# SHAPE is fine-x4's. ENGINE and PYTHON name the programs.
set -e
cache=$1 teacher=$2 run=$3
: "${PYTHON:=python3}" "${ENGINE:=enlarge}" "${SHAPE:=64x8}" "${STEPS:=300}" "${CHUNKS:=1}" "${PATCHES:=40}"
here=$(dirname "$0")
models=$here/../models
mkdir -p "$run"
[ -e "$run/cache/c000_lr.npy" ] ||
    "$PYTHON" "$here/make_data.py" retaught --from "$cache" --cache "$run/cache" --engine "$ENGINE" --teacher "$teacher" --chunks "$CHUNKS"
solve() { "$PYTHON" "$here/solve.py" "$@" --cache "$run/cache" --patches "$PATCHES"; }
solve toward "$models/fine-x4.safetensors" "$run/fine-wdn-x4.safetensors"
if [ "$STEPS" -gt 0 ]; then
    mv "$run/fine-wdn-x4.safetensors" "$run/begun.safetensors"
    "$PYTHON" "$here/train.py" fine-wdn-x4 --shape "$SHAPE" --init "$run/begun.safetensors" --cache "$run/cache" --out "$run" \
        --steps "$STEPS" --decay "$STEPS" --lr 1e-4 --every 100
fi
solve toward "$models/fine-x2.safetensors" "$run/fine-wdn-x2.safetensors"  # no steps: blended with fine-x2, which is fine-x4's halves
for scale in 4 2; do
    "$PYTHON" "$here/export.py" "$run/fine-wdn-x$scale.safetensors" "$models/fine-wdn-x$scale.safetensors"
done
