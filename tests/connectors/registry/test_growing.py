"""Event sources as a file that grows: versions over time, and lanes that follow it."""

import time
from pathlib import Path

from attribution.registry import END_OF_TIME
from connectors.registry.growing import DELAY, SourceFile
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
from tests.support import raw

NOW = raw.since_epoch(raw.NOW)
KEY = ("adv", "src")


def test_versions_follow_one_another_after_a_delay(tmp_path: Path) -> None:
    file = SourceFile(tmp_path)
    first = file.append([raw.source(name="one")])
    time.sleep(0.002)  # versions are apart by milliseconds, as those of a topic are
    second = file.append([raw.source(name="two")])
    time.sleep(0.002)
    third = file.append([{"advertiser_id": "adv", "event_source_id": "src", "deleted": True}])
    versions = file.registry().versions[KEY]
    assert [each.name for each in versions] == ["one", "two"]
    begins = [each.valid_from for each in versions]
    assert all(
        0 <= at + DELAY - begin < 1_000 for at, begin in zip((first, second), begins, strict=True)
    )
    assert 0 <= third + DELAY - versions[-1].valid_to < 1_000


def test_lines_that_say_nothing_of_use_are_passed_over(tmp_path: Path) -> None:
    file = SourceFile(tmp_path)
    file.append([raw.source()])
    with file.path.open("ab") as content:
        content.write(b'{"event_source_id": 1}\nno JSON\n{"unfinished"')
    assert list(file.registry().versions) == [KEY]


def test_a_state_follows_the_file(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    state, file = StateDir(tmp_path / "state"), SourceFile(tmp_path)
    file.append([raw.source(name="one")])
    began = file.append([raw.source("other")])
    assert known_registry(state, file, began).versions[KEY][0].name == "one"
    followed = RegistryTopic(file, state)
    followed.look(began + file.look_interval)
    assert followed.look(began + 2 * file.look_interval)
    assert [each.name for each in followed.current().versions[KEY]] == ["one"]
    changed = file.append([raw.source(name="two")])
    for look in range(1, 4):
        followed.look(changed + look * file.look_interval)
    versions = followed.current().versions[KEY]
    assert [each.name for each in versions] == ["one", "two"]
    assert versions[-1].valid_from > changed
    assert versions[-1].valid_to == END_OF_TIME
    news = followed.news()
    assert news is not None
    assert news["name"].to_pylist() == ["one", "two"]
