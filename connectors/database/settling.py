"""How far a run has settled, from the watermarks that reach its sink."""

from collections.abc import Mapping

from attribution.columnar.frames import Frame, Watermarks
from attribution.vocabulary import STREAMS
from connectors.database.runs import Start


class WatermarkTracker:
    """What lanes and key groups have promised; START for those that have not spoken yet."""

    def __init__(self, start: Start) -> None:
        """Expect every lane and every key group."""
        origins = {**dict.fromkeys(STREAMS, start.lanes), "credit": start.key_groups}
        self._watermarks = Watermarks(origins)

    def take(self, promised: Mapping[tuple[str, int], int]) -> None:
        """Note promises, by who gave them."""
        for (port, origin), watermark in promised.items():
            self._watermarks.observe(Frame(port, origin, watermark, {}))

    def of(self, port: str) -> list[int]:
        """Return the watermarks of all origins of a port."""
        return self._watermarks.held[port]

    @property
    def watermark(self) -> int:
        """Nothing will be received below it any more."""
        return min(min(self.of(stream)) for stream in STREAMS)

    @property
    def settled(self) -> int:
        """Every conversion received before it is final."""
        return min(self.of("credit"))
