"""Draw what `status` shows, as `docs/status.svg`: `python scripts/picture.py HOME`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.text import Text

from ringrift.client import ask
from ringrift.commands.status import show
from ringrift.home import Home

target = Path(__file__).resolve().parent.parent / "docs" / "status.svg"


def main(home: str) -> int:
    """Draw the status of the agent at `home`."""
    console = Console(record=True, width=110, highlight=False, force_terminal=True)
    console.print(Text("$ ringrift-agent status", style="bold"))
    show(console, ask(Home.find(home).socket, "GET", "/v1/status"))
    drawn = console.export_svg(title="ringrift-agent", font_aspect_ratio=0.61)
    # Without the fonts that rich would have every viewer fetch from elsewhere.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
