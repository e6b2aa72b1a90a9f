#!/bin/sh
# What a user does with a model, on the small one that comes with mixnet_tools: download, convert, quantize, check, classify.
# BIN is the folder of the commands, OUT the folder that everything is written to.
set -eu

step() {
    printf '\n$ %s\n' "$*"
    command=$1
    shift
    "$BIN/$command" "$@"
}

step mixnet-download --name mixnet-nano --output_dir "$OUT"
step mixnet-convert --name mixnet-nano --download_dir "$OUT"
# One form and no saturation: a result that is the same on every processor.
step mixnet-quantize --name mixnet-nano --ir_dir "$OUT" --no_optimize --depthwise int8 --overflow_fix enable
step mixnet-info --name mixnet-nano --ir_dir "$OUT" --table
step mixnet-check --name mixnet-nano --download_dir "$OUT" --ir_dir "$OUT" \
    --baseline models/public/mixnet-nano/baseline.json
step mixnet-classify --name mixnet-nano --download_dir "$OUT" --precisions FP32,FP16,FP16-INT8 -k 2 \
    models/public/mixnet-nano/validation/val_0030.jpg \
    models/public/mixnet-nano/validation/val_0048.jpg \
    models/public/mixnet-nano/validation/val_0486.jpg
