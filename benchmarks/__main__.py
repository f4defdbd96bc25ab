"""Runs all benchmarks, one after another: `python -m benchmarks [--short] [--report docs/performance.md] [PART …]`.

Each part can also be run alone: `python -m benchmarks.pacing`.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

PARTS = ("pacing", "watchers", "start", "page", "saving", "playing", "simulator", "growth", "history", "votes")
SHORT = {"history": ("--jobs", "60", "--repeats", "2")}
"""The options of parts that have no `--short`."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--short", action="store_true", help="small settings, which only show that all of it runs")
    parser.add_argument("--report", metavar="PAGE", help="a page of the documentation to write the tables into")
    args = parser.parse_args(arguments)
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    failed = []
    for part in args.parts or PARTS:
        print(f"\n## {part}", flush=True)  # noqa: T201  what a benchmark is for
        options = SHORT.get(part, ("--short",)) if args.short else ()
        report = ("--report", args.report) if args.report else ()
        # Each part runs in its own process, so that what one has loaded changes no figure of the next.
        command = [sys.executable, "-m", f"benchmarks.{part}", *options, *report]
        if subprocess.run(command, check=False).returncode:  # noqa: S603  our own modules
            failed.append(part)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
