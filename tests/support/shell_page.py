"""The ```bash blocks of a page, run one after the other in one shell, and what each prints.

A ```text block that follows shows the output; `…` stands for what differs from run to run.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK: Final = re.compile(r"```bash\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
MARK: Final = "-- end of a block --"


@dataclass(frozen=True)
class Block:
    """Commands, and what the page shows of their output, if it does."""

    commands: str
    shown: str | None

    def shows(self, printed: str) -> bool:
        """Return whether the page shows what was printed."""
        if self.shown is None:
            return True
        parts = map(re.escape, self.shown.strip().split("…"))
        return re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL) is not None


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page or a part of it."""
    return [Block(commands, shown or None) for commands, shown in BLOCK.findall(text)]


def run(
    blocks: Sequence[Block],
    folder: Path,
    environment: Mapping[str, str],
    changes: Mapping[str, str],
) -> list[str]:
    """Run the blocks in a folder, after some changes to their text; return what each printed."""
    script = f"\nprintf '\\n{MARK}\\n'\n".join(block.commands for block in blocks)
    for old, new in changes.items():
        assert old in script, f"the page no longer says {old}"
        script = script.replace(old, new)
    done = subprocess.run(
        ["/bin/bash", "-eu", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(MARK)
