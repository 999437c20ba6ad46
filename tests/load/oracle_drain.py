"""How fast the oracle drains its queue, and whether thousands of requests survive killed servers.

`python -m load.oracle_drain --requests 5000 --servers 3 --kills 6`, from the root, with `tests` on
the path. Prints the tally and requests a second; ends with 1 when a request was not done once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from support.oracle_crashes import drain
from support.postgres import _TEMPLATE, make_database, make_template, start_postgres


def main() -> int:
    """Drain once; say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        postgres = start_postgres(folder / "postgres")
        try:
            asyncio.run(make_template(postgres))
            tally = drain(
                asyncio.run(make_database(postgres, _TEMPLATE)),
                folder,
                requests=given.requests,
                servers=given.servers,
                kills=given.kills,
                seed=given.seed,
                deadline=600,
            )
        finally:
            postgres.stop()
    print(f"{tally}\n{tally.asked / tally.seconds:.0f} requests/s")
    return 0 if tally.succeeded == tally.asked and tally.audited == {1} else 1


if __name__ == "__main__":
    sys.exit(main())
