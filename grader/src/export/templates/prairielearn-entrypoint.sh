#!/usr/bin/env bash
# PrairieLearn runs this for each submission. If this host fails there is no results.json: the grading job has then
# failed, and costs the student nothing.
set -euo pipefail
root=${GRADE:-/grade}
. "${KIT_PREFIX:-/opt/kit}/env"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$root/results"
rm -f "$root/results/results.json"
"$KIT" grade "$root/student" @LAB_OPTIONS@ --out "$out" --jobs 1 --tier "$KIT_TIER" || true
"$KIT" export prairielearn --convert "$out"/submissions/*/lab-*.json --to "$root/results/results.json"
