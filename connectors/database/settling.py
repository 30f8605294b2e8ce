"""How far a run has settled, from the watermarks that reach its sink."""

from collections.abc import Mapping

from attribution.columnar.frames import Frame, Watermarks
from attribution.vocabulary import STREAMS
from connectors.database.runs import Start


class WatermarkTracker:
    """The watermarks of lanes and key groups; START for those not received yet."""

    def __init__(self, start: Start) -> None:
        """Expect every lane and every key group."""
        origins = {**dict.fromkeys(STREAMS, start.lanes), "credit": start.key_groups}
        self._watermarks = Watermarks(origins)

    def take(self, watermarks: Mapping[tuple[str, int], int]) -> None:
        """Update watermarks, by port and origin."""
        for (port, origin), watermark in watermarks.items():
            self._watermarks.observe(Frame(port, origin, watermark, {}))

    def of(self, port: str) -> list[int]:
        """Return the watermarks of all origins of a port."""
        return self._watermarks.held[port]

    @property
    def watermark(self) -> int:
        """The watermark of the result: every record below it has been read."""
        return min(min(self.of(stream)) for stream in STREAMS)

    @property
    def settled(self) -> int:
        """The time before which every conversion received is final."""
        return min(self.of("credit"))
