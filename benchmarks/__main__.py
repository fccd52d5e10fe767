"""Command line: ``python -m benchmarks [NAME] [--rounds 11] [--threads 1] [--clock cpu|wall] [--no-write]``.

Without a name it prints one table of the results that are committed; ``all`` runs every benchmark and then prints it.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import torch

import benchmarks
from benchmarks import table
from benchmarks.harness import write

NOT_BENCHMARKS = {"__main__", "harness", "table", "flow_peers", "continuous_peers"}


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark or all; list them, with the table of their results, when no name is given."""
    names = sorted({m.name for m in pkgutil.iter_modules(benchmarks.__path__)} - NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="?", help=f"all, or one of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=11, help="counted rounds (default 11)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument(
        "--clock", choices=["cpu", "wall"], default="wall" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    if args.name is None:
        print("Benchmarks:", ", ".join(names))
        print(table.text())
        return 0
    if args.name not in [*names, "all"]:
        parser.error(f"name must be all or one of {', '.join(names)}, got {args.name!r}")
    if args.rounds < 3:
        parser.error(f"--rounds must be at least 3 for a median with quartiles, got {args.rounds}")
    torch.set_num_threads(args.threads)
    if args.name != "all":
        try:
            _run(args.name, args)
        except OSError as error:
            print(f"benchmarks: {error} What was measured stands above.", file=sys.stderr)
            return 1
        return 0
    missing = [name for name in names if not _tried(name, args)]
    print(table.text())
    if missing:
        print(f"not run this time: {', '.join(missing)} (the reasons stand above)", file=sys.stderr)
    return 1 if missing else 0


def _run(name: str, args: argparse.Namespace) -> None:
    benchmark = importlib.import_module(f"benchmarks.{name}")
    rows = benchmark.run(rounds=args.rounds, clock=args.clock)
    if not args.no_write:
        # A benchmark that torch's device has no part in says where it runs.
        device = getattr(benchmark, "DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
        settings = {"rounds": args.rounds, "threads": args.threads, "clock": args.clock}
        write(name, rows, device=device, settings=settings)


def _tried(name: str, args: argparse.Namespace) -> bool:
    """Whether a benchmark ran; one whose peer or browser is missing must not keep the others from running."""
    try:
        _run(name, args)
    except (ImportError, RuntimeError, OSError) as error:
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
