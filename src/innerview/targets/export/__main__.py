"""``python -m innerview.targets.export``: the exporters' command, where Innerview is installed."""

from __future__ import annotations

import sys

from innerview.targets.exporters.command import main

if __name__ == "__main__":
    sys.exit(main())
