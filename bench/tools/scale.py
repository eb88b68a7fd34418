"""How mining tools grows: 100,000 code blocks and 100,000 traces, each at three sizes.

    python -m bench.tools.scale [--quick]

Both halves can be run by themselves: `bench.tools.scale_code` and `bench.tools.scale_traces`.
"""

import json
import subprocess
import sys

HALVES = {"code": "bench.tools.scale_code", "traces": "bench.tools.scale_traces"}


def main() -> None:
    """Run both, one after the other, and print their reports as one."""
    report: dict[str, object] = {"schema": "strop.bench.scale_tools/1"}
    for name, module in HALVES.items():
        done = subprocess.run(
            [sys.executable, "-m", module, *sys.argv[1:]], stdout=subprocess.PIPE, check=False
        )
        if done.returncode == 2:
            raise SystemExit(2)
        report[name] = json.loads(done.stdout)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
