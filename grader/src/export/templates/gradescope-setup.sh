#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image.
set -euo pipefail
root=${AUTOGRADER:-/autograder}
exec bash "$root/source/install.sh" "$root/kit"
