#!/usr/bin/env bash
# Grades every entry of a folder as a job array, and sums up when all have ended. All folders are on a file system
# that every node has, and `bash install.sh KIT` was run before, on a node.
#
#     bash submit.sh KIT SUBMISSIONS OUT [AT-ONCE]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kit=$(cd "${1:?the folder that install.sh has installed the kit into was expected}" && pwd)
from=$(cd "${2:?the folder of submissions was expected}" && pwd)
mkdir -p "${3:?a folder for the results was expected}"
out=$(cd "$3" && pwd)
shopt -s nullglob
entries=("$from"/*)
if [ ${#entries[@]} = 0 ]; then
    echo "there are no submissions in $from" >&2
    exit 2
fi
mkdir -p "$out/log"
array=$(sbatch --parsable --array="0-$((${#entries[@]} - 1))%${4:-50}" --output="$out/log/%a.txt" \
    "$here/array.sbatch" "$kit" "$from" "$out")
sbatch --parsable --dependency="afterany:$array" --output="$out/log/summary.txt" \
    "$here/summary.sbatch" "$kit" "$from" "$out"
