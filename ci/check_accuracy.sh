#!/bin/sh
# Download, convert and check one model, as a CI job does. action.yml runs this; other CI systems and people can as well.
#
# Everything is said by variables:
#   MODEL         name of the model (needed)
#   MODELS_DIR    the zoo that has it (default: the zoo inside mixnet_tools)
#   SOURCE        labelled images: a path or a URL (default: those that come with the model)
#   BASELINE      answers of a good run, to compare with image by image (default: only the references)
#   PRECISIONS    FP16, FP32 or both with a comma (default: both)
#   QUANTIZE      true: make an INT8 model as well, and check it
#   CHECK_ARGS    more options of mixnet-check, separated by blanks
#   OUT           folder for models and reports (default: accuracy)
#   CACHE_DIR     folder that keeps downloads for later runs (default: none)
#   SUMMARY       file that the summary in Markdown is appended to (default: OUT/summary.md)
#
# Exit codes: those of mixnet-check: 0 as good as before, 3 accuracy below its reference or baseline, 1 a failure, 2 wrong
# usage. OUT has accuracy.html, accuracy.xml (JUnit) and accuracy.json in any case in which the model was measured.
set -eu

: "${MODEL:?set MODEL to the name of the model}"
OUT=${OUT:-accuracy}
SUMMARY=${SUMMARY:-$OUT/summary.md}
mkdir -p "$OUT"

# Runs mixnet-$1 on the model, with the zoo where one was given.
mixnet_step() {
    command=$1
    shift
    [ -z "${MODELS_DIR:-}" ] || set -- --models_dir "$MODELS_DIR" "$@"
    printf '\n$ mixnet-%s --name %s %s\n' "$command" "$MODEL" "$*" >&2
    "mixnet-$command" --name "$MODEL" "$@"
}

set -- --output_dir "$OUT"
[ -z "${CACHE_DIR:-}" ] || set -- "$@" --cache_dir "$CACHE_DIR"
mixnet_step download "$@"

set -- --download_dir "$OUT"
[ -z "${PRECISIONS:-}" ] || set -- "$@" --precisions "$PRECISIONS"
mixnet_step convert "$@"

if [ "${QUANTIZE:-false}" = true ]; then
    set -- --ir_dir "$OUT" --overflow_fix enable # the same result on processors without VNNI
    [ -z "${SOURCE:-}" ] || set -- "$@" --source "$SOURCE"
    mixnet_step quantize "$@"
fi

# CHECK_ARGS is split at blanks on purpose, and its stars stay stars.
set -f
# shellcheck disable=SC2086
set -- ${CHECK_ARGS:-} --download_dir "$OUT"
set +f
[ -z "${SOURCE:-}" ] || set -- "$@" --source "$SOURCE"
[ -z "${BASELINE:-}" ] || set -- "$@" --baseline "$BASELINE"
mixnet_step check "$@" --markdown "$SUMMARY" --junit "$OUT/accuracy.xml" --html "$OUT/accuracy.html" --json \
    > "$OUT/accuracy.json"
