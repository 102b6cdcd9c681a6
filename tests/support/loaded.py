"""Run pytest again and again, files in random order, beside two busy loops: what fails depends on
being quick or on order.

Run as `python tests/support/loaded.py [--runs N] [--seed SEED] [arguments of pytest]`.
"""

import argparse
import random
import subprocess
import sys
from contextlib import ExitStack

N_BUSY_LOOPS = 2
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Ends with this process, however that ends."""


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, help="of the first run; the next ones count up")
    options, pytest_arguments = parser.parse_known_args()
    first_seed = random.randrange(10_000) if options.seed is None else options.seed
    with ExitStack() as stack:
        for _ in range(N_BUSY_LOOPS):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            stack.callback(loop.kill)
        failed = [
            seed
            for seed in range(first_seed, first_seed + options.runs)
            if _run(seed, pytest_arguments)
        ]
    print(f"seeds of the runs that failed: {failed or 'none'}", flush=True)
    return len(failed)


def _run(seed: int, pytest_arguments: list[str]) -> int:
    print(f"--shuffle {seed}", flush=True)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--shuffle", str(seed), *pytest_arguments], check=False
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main())
