#!/usr/bin/env python3
"""Grades a student's checkout, for Classroom 50's own runner.

It belongs into CLASSROOM/autograders/ASSIGNMENT/ with install.sh and kit.tar.gz; runtime.json is the assignment's
`runtime`. The runner starts it in the checkout and reads ./result.json. A status other than 0 is an error of the host
there, and no student's zero.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = pathlib.Path.cwd()
GRADE = """
. "$1/env"
"$KIT" grade "$2" @LAB_OPTIONS@ --out "$3" --jobs 1 --tier "$KIT_TIER" || true
exec "$KIT" export classroom50 --convert "$3"/submissions/*/lab-*.json --to "$2/result.json"
"""


def main():
    result = CHECKOUT / "result.json"
    result.unlink(missing_ok=True)
    when = ["git", "-c", "safe.directory=*", "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd"]
    utc = {**os.environ, "TZ": "UTC"}
    at = subprocess.run(when, check=True, env=utc, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(os.environ.get("KIT_PREFIX") or pathlib.Path(folder, "kit"))
        if not (prefix / "env").exists():
            subprocess.run(["bash", HERE / "install.sh", prefix], check=True)
        words = ["bash", "-euc", GRADE, "grade", prefix, CHECKOUT, pathlib.Path(folder, "out")]
        return subprocess.run(words, check=False, env={**os.environ, "SUBMITTED_AT": at}).returncode


if __name__ == "__main__":
    sys.exit(main())
