#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the partners of fine-x4 and fine-x2 that remove less noise (--denoise) anew, from fine-x4 as it is in models/ now.
#
#   training/partner.sh CACHE TILES realesr-general-x4v3.pth realesr-general-wdn-x4v3.pth RUN
#
# CACHE and TILES: those with which fine-x4 was trained. Both teachers are pruned alike, and what training changed in the one is
# added to the other: so fine and its partner stay near enough to each other for a blend of their weights to mean something.
# SHAPE and PATCHES are those with which fine-x4 began; PYTHON names the program. RUN/begun.safetensors is taken when it is there.
set -e
cache=$1 tiles=$2 teacher=$3 partner=$4 run=$5
: "${PYTHON:=python3}" "${SHAPE:=64x23}" "${PATCHES:=500}"
here=$(dirname "$0")
models=$here/../models
mkdir -p "$run"
solve() { "$PYTHON" "$here/solve.py" "$@" --cache "$cache"; }
[ -e "$run/begun.safetensors" ] || solve prune "$teacher" "$run/begun.safetensors" --shape "$SHAPE" --patches "$PATCHES"
[ -e "$run/begun-wdn.safetensors" ] || solve prune "$partner" "$run/begun-wdn.safetensors" --shape "$SHAPE" --patches "$PATCHES"
solve carry "$run/begun-wdn.safetensors" "$run/carried.safetensors" --begun "$run/begun.safetensors" \
    --trained "$models/fine-x4.safetensors"
solve settle "$run/carried.safetensors" "$run/settled.safetensors" --tiles "$tiles" --flat 2
solve settle "$run/settled.safetensors" "$run/fine-wdn-x4.safetensors" --tiles "$tiles" --flat 6
solve halve "$run/fine-wdn-x4.safetensors" "$run/halved.safetensors"
solve settle "$run/halved.safetensors" "$run/fine-wdn-x2.safetensors" --tiles "$tiles" --flat 4
for scale in 4 2; do
    "$PYTHON" "$here/export.py" "$run/fine-wdn-x$scale.safetensors" "$models/fine-wdn-x$scale.safetensors"
done
