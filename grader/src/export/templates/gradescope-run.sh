#!/usr/bin/env bash
# Gradescope runs this for each submission. If this host fails there is no results.json: Gradescope then says that the
# autograder failed, and gives no score. "Rerun Autograder" tries again.
set -euo pipefail
root=${AUTOGRADER:-/autograder}
. "$root/kit/env"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$root/results"
rm -f "$root/results/results.json"
# Its status says whether this host failed, and so do the reports.
"$KIT" grade "$root/submission" @LAB_OPTIONS@ --out "$out" --jobs 1 --tier "$KIT_TIER" || true
"$KIT" export gradescope --convert "$out"/submissions/*/lab-*.json --to "$root/results/results.json"
