"""Command line: ``python -m benchmarks NAME [--rounds 11] [--threads 1] [--clock cpu|wall] [--no-write]``."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import torch

import benchmarks
from benchmarks.harness import write

NOT_BENCHMARKS = {"__main__", "harness", "flow_peers", "continuous_peers"}


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark, or list them when no name is given."""
    names = sorted({m.name for m in pkgutil.iter_modules(benchmarks.__path__)} - NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="?", help=f"one of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=11, help="counted rounds (default 11)")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument(
        "--clock", choices=["cpu", "wall"], default="wall" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    if args.name is None:
        print("Benchmarks:", ", ".join(names))
        return 0
    if args.name not in names:
        parser.error(f"name must be one of {', '.join(names)}, got {args.name!r}")
    if args.rounds < 3:
        parser.error(f"--rounds must be at least 3 for a median with quartiles, got {args.rounds}")
    torch.set_num_threads(args.threads)
    benchmark = importlib.import_module(f"benchmarks.{args.name}")
    rows = benchmark.run(rounds=args.rounds, clock=args.clock)
    if not args.no_write:
        # A benchmark that torch's device has no part in says where it runs.
        device = getattr(benchmark, "DEVICE", "cuda" if torch.cuda.is_available() else "cpu")
        settings = {"rounds": args.rounds, "threads": args.threads, "clock": args.clock}
        write(args.name, rows, device=device, settings=settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
