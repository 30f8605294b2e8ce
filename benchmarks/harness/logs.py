"""Generated logs of a given size, cached in a folder.

A log's folder is named after its size and a hash of the generator's code, so a changed generator
creates a new log and deletes the old one.
"""

import shutil
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".bench"
_GENERATOR: Final = ROOT / "flows" / "generate"


def cached_log(cache: Path, *, impressions: int, events: int) -> Path:
    """Return the folder of a log of that size; generate it in a separate process if it is new.

    A separate process, because a process inherits the peak memory of the one that starts it.
    """
    size = f"log-{impressions}-{events}"
    cache = cache.resolve()
    folder = cache / f"{size}-{_fingerprint()}"
    if folder.exists():
        return folder
    for stale in cache.glob(f"{size}-*"):
        shutil.rmtree(stale)
    print(f"generating {impressions:,} impressions and {events:,} events ...", flush=True)
    unfinished = cache / f"{size}-unfinished"
    command = [sys.executable, "-m", "benchmarks.harness.logs", str(unfinished)]
    subprocess.run([*command, str(impressions), str(events)], check=True, cwd=ROOT)
    return unfinished.rename(folder)


def _fingerprint() -> str:
    digest = blake2b(digest_size=4)
    for path in sorted(_GENERATOR.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _generate(folder: str, impressions: str, events: str) -> None:
    from flows.generate.spec import GenerateSpec  # noqa: PLC0415  the bench stays small
    from flows.generate.write import generate_log  # noqa: PLC0415  the bench stays small

    generate_log(Path(folder), GenerateSpec(impressions=int(impressions), events=int(events)))


if __name__ == "__main__":
    _generate(*sys.argv[1:])
