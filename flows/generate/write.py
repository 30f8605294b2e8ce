"""Writes a log as files: both streams in order of arrival, the registry, and the truth."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Final

import numpy as np

from flows.generate.draws import Draws, Flags, Ints
from flows.generate.events import envelope_lines, event_texts, in_envelopes
from flows.generate.faults import EVENT_REFUSED, TOUCH_REFUSED
from flows.generate.impressions import touch_lines
from flows.generate.plan import arriving
from flows.generate.rows import (
    CHANGED,
    SOURCES,
    UNREGISTERED,
    Rows,
)
from flows.generate.spec import GenerateSpec, Truth
from flows.generate.text import advertiser_name, currency, domain, event_names, impression_names

_STREAMS: Final = ("events", "impressions")
_OUT_OF_ORDER: Final = 0.003
_LATENESS_MS: Final = 120_000


def generate_log(
    folder: Path, spec: GenerateSpec, *, on_progress: Callable[[int], None] | None = None
) -> Truth:
    """Write a log into a folder (created if missing) and return the counts of its records.

    Writes events-NN.ndjson, impressions-NN.ndjson, event_sources.json, truth.json and, on demand,
    truth.ndjson: the impression behind each conversion that has one. Calls `on_progress` with the
    number of records after each block. Raises FileExistsError if the folder already has streams.
    """
    _refuse_other_streams(folder)
    truth = Truth(spec.seed)
    with _whole_or_not_at_all(folder), ExitStack() as stack:
        writer = _Writer(folder, spec, truth, stack)
        for touches, events in arriving(spec, writer.draws):
            writer.write(touches, events)
            if on_progress is not None:
                on_progress(len(touches) + len(events))
        stack.close()
        _dump(folder / "event_sources.json", registry_documents(spec))
        _dump(folder / "truth.json", {"spec": asdict(spec), **asdict(truth)})
    return truth


@contextmanager
def _whole_or_not_at_all(folder: Path) -> Iterator[None]:
    """Create a folder; if the block fails, remove what was written to it."""
    before = set(folder.iterdir()) if folder.is_dir() else None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in set(folder.iterdir()) - (before or set()):
            path.unlink()
        if before is None:
            folder.rmdir()
        raise


def _refuse_other_streams(folder: Path) -> None:
    found = [path.name for name in _STREAMS for path in sorted(folder.glob(f"{name}*.ndjson*"))]
    if found:
        msg = f"{folder} already holds {found[0]}: name an empty folder"
        raise FileExistsError(msg)


class _Writer:
    """The open files of one log, and the counts of what was written."""

    def __init__(self, folder: Path, spec: GenerateSpec, truth: Truth, stack: ExitStack) -> None:
        self.draws = Draws(spec.seed)
        self._spec = spec
        self._truth = truth
        self._files = {
            stream: [
                stack.enter_context((folder / f"{stream}-{at:02d}.ndjson").open("wb"))
                for at in range(spec.files)
            ]
            for stream in _STREAMS
        }
        self._causes: IO[str] | None = None
        if spec.truth:
            path = folder / "truth.ndjson"
            self._causes = stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))

    def write(self, touches: Rows, events: Rows) -> None:
        """Write the records of one block, in order of arrival."""
        if len(touches):
            self._write_touches(touches)
        if len(events):
            self._write_events(events)
        if self._causes is not None:
            self._causes.writelines(_causes(self.draws, events))

    def _write_touches(self, rows: Rows) -> None:
        rows = rows[_order(self.draws, rows["arrival"], rows["slot"] * 4 + rows["copy"])]
        lines = touch_lines(self.draws, rows, self._spec.people)
        homes = self.draws.below("impressions file", rows["number"], self._spec.files)
        self._append("impressions", lines, homes)
        _count(self._truth.impressions, rows, TOUCH_REFUSED)
        clicks = int(np.count_nonzero(rows["click"]))
        _add(self._truth.impressions, clicks=clicks, bots=int(np.count_nonzero(rows["bot"])))

    def _write_events(self, rows: Rows) -> None:
        rows, cuts = in_envelopes(self.draws, rows, self._spec.envelope_size)
        texts = event_texts(self.draws, rows, self._spec.people)
        first, arrivals = rows[cuts[:-1]], rows["arrival"][cuts[1:] - 1]
        lines = envelope_lines(self.draws, rows, texts, cuts=cuts, arrivals=arrivals)
        order = _order(self.draws, arrivals, first["slot"] * 4 + first["copy"])
        streams = first["advertiser"] * len(SOURCES) + first["source"]
        homes = self.draws.below("events file", streams, self._spec.files)[order]
        self._append("events", [lines[at] for at in order.tolist()], homes)
        _count(self._truth.events, rows, EVENT_REFUSED)
        unregistered = int(np.count_nonzero(rows["source"] == UNREGISTERED))
        tests = int(np.count_nonzero(rows["test"]))
        _add(self._truth.events, envelopes=len(lines), test=tests, unregistered=unregistered)

    def _append(self, stream: str, lines: Sequence[str], homes: Ints) -> None:
        for home, file in enumerate(self._files[stream]):
            own = [lines[at] for at in np.flatnonzero(homes == home).tolist()]
            text = "\n".join([*own, ""])
            file.write(text.encode("utf-8", "surrogateescape"))


def _order(draws: Draws, arrivals: Ints, numbers: Ints) -> Ints:
    """Return the order by arrival, with a few lines moved behind later ones."""
    slips = draws.chance("slips", numbers, _OUT_OF_ORDER)
    behind = slips * draws.below("slips by", numbers, _LATENESS_MS)
    return np.lexsort((numbers, arrivals + behind))


def _count(counts: dict[str, int], rows: Rows, refused: list[bool]) -> None:
    bad: Flags = np.array(refused)[rows["fault"]]
    _add(
        counts,
        records=len(rows),
        duplicates=int(np.count_nonzero(rows["copy"])),
        duplicates_changed=int(np.count_nonzero(rows["copy"] == CHANGED)),
        rejected=int(np.count_nonzero(bad)),
        repaired=int(np.count_nonzero((rows["fault"] > 0) & ~bad)),
    )


def _add(counts: dict[str, int], **more: int) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count


def _causes(draws: Draws, events: Rows) -> Iterator[str]:
    """Yield the impression behind each valid event that has one, and whether it was a click."""
    sound = (events["fault"] == 0) & (events["copy"] == 0) & ~events["test"]
    rows = events[sound & (events["cause"] >= 0) & (events["source"] != UNREGISTERED)]
    columns = zip(
        event_names(draws, rows["slot"]),
        impression_names(draws, rows["cause"]),
        rows["click"].tolist(),
        strict=True,
    )
    for event, impression, click in columns:
        by = "click" if click else "impression"
        yield f'{{"event_id":"{event}","impression_id":"{impression}","type":"{by}"}}\n'


def _dump(path: Path, document: object) -> None:
    text = json.dumps(document, indent=1, default=str)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def registry_documents(spec: GenerateSpec) -> list[dict[str, object]]:
    """Describe every source but the unregistered one."""
    return [
        {
            "advertiser_id": advertiser_name(advertiser),
            "event_source_id": source,
            "name": f"{source.replace('_', ' ')} of {domain(advertiser)}",
            "allowed_domains": [domain(advertiser)] if source == "website_pixel" else [],
            "value_currencies": [currency(advertiser)],
        }
        for advertiser in range(spec.advertisers)
        for source in SOURCES[:UNREGISTERED]
    ]
