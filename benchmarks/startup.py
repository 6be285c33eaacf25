"""How long the command line takes to start, against a bare import of its own two libraries. Run by hand.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

VDESC = Path(sys.executable).with_name("vdesc")
BARE = [sys.executable, "-c", "import typer, rich"]
COMMANDS = {"vdesc --help": [VDESC, "--help"], "vdesc plugins": [VDESC, "plugins"]}
ROUNDS = 9


def main() -> None:
    """Prints the median seconds of each and their ratio to the bare import; rounds are interleaved."""
    spent: dict[str, list[float]] = {name: [] for name in ("bare", *COMMANDS)}
    for _ in range(ROUNDS):
        for name, command in {"bare": BARE, **COMMANDS}.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            spent[name].append(time.perf_counter() - start)
    bare = statistics.median(spent["bare"])
    for name, seconds in spent.items():
        print(f"{name:<14} {statistics.median(seconds):.3f} s   {statistics.median(seconds) / bare:.2f} x bare")


if __name__ == "__main__":
    main()
