"""A step advances to the least promise of all origins of all ports."""

from attribution.columnar.frames import END, START, Frame, Watermarks


def test_the_slowest_origin_decides() -> None:
    watermarks = Watermarks({"a": 2, "b": 1})
    lows = []
    for port, origin, promise in (
        ("a", 0, 10),
        ("a", 1, 7),
        ("b", 0, 5),
        ("b", 0, 8),
        ("a", 1, 3),  # a promise is never taken back
        ("b", 0, END),
        ("a", 1, END),
        ("a", 0, END),
    ):
        watermarks.observe(Frame(port, origin, promise, {}))
        lows.append(watermarks.low)
    assert lows == [START, START, 5, 7, 7, 7, 10, END]
