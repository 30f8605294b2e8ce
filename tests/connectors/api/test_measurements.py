"""Measurement data over HTTP: what is answered, what is stored, and what becomes of a resend."""

import json
import random
import sqlite3
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx
import pytest

from attribution.contract.measurement import Measurement
from connectors.api.description import MEASUREMENTS_EXAMPLE
from connectors.api.measurements import MeasurementIndex
from flows.analysis.verify import verify
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.connectors.api.conftest import Served
from tests.support import raw

PATH = "/api/buyer/advertisers/adv/measurement-data/sync"


def sync(served: Served, *rows: object, **options: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes them
    return served.client.post(PATH, json={"measurements": list(rows)}, **options)


def actions(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["action"] for each in answer.json()["measurements"]]


def stored(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("measurements-api*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def test_each_row_is_answered_and_the_call_is_stored(served: Served) -> None:
    row, broken = raw.measurement(), raw.measurement(currency=None)
    answer = sync(served, row, broken)
    assert answer.status_code == 200
    assert answer.json() == {
        "measurements": [
            {"index": 0, "action": "created"},
            {
                "index": 1,
                "action": "failed",
                "error": "CURRENCY_REQUIRED: currency must be there when unit is currency",
            },
        ]
    }
    (document,) = stored(served.folder)
    assert list(document) == ["received_at", "advertiser_id", "measurements"]
    assert (document["advertiser_id"], document["measurements"]) == ("adv", [row, broken])
    name, offset = answer.headers["Tributary-Receipt"].removeprefix("measurements/").split("@")
    assert (served.folder / name).is_file()
    assert offset == "0"


def test_a_resend_is_told_apart_and_stored_again(served: Served) -> None:
    one, other = raw.measurement(), raw.measurement(metric_value=7)
    assert actions(sync(served, one, other)) == ["created", "updated"]
    assert actions(sync(served, other)) == ["unchanged"]
    assert actions(sync(served, one, raw.measurement(external_row_id="a"))) == [
        "updated",
        "created",
    ]
    assert len(stored(served.folder)) == 3


def test_the_example_of_the_description_is_accepted(served: Served) -> None:
    assert actions(served.client.post(PATH, json=MEASUREMENTS_EXAMPLE)) == ["created"]


def test_rows_of_another_advertiser_are_other_rows(served: Served) -> None:
    assert actions(sync(served, raw.measurement())) == ["created"]
    other = PATH.replace("/adv/", "/other/").replace("/api/", "/api/v2/")
    rows = [raw.measurement(), raw.measurement(advertiser_id="adv")]
    body: dict[str, Any] = {"measurements": rows}
    assert actions(served.client.post(other, json=body)) == ["created", "failed"]
    body |= {"advertiser_id": "adv", "received_at": "1999-01-01T00:00:00Z"}
    assert actions(served.client.post(other, json=body)) == ["unchanged", "failed"]
    assert {document["advertiser_id"] for document in stored(served.folder)} == {"adv", "other"}


def test_a_dry_run_changes_nothing(served: Served) -> None:
    for _ in range(2):
        answer = sync(served, raw.measurement(), None, params={"validate_only": "true"})
        assert actions(answer) == ["created", "failed"]
        assert "Tributary-Receipt" not in answer.headers
    assert stored(served.folder) == []
    assert actions(sync(served, raw.measurement())) == ["created"]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "BAD_REQUEST", None),
        (b"[]", "BAD_REQUEST", None),
        (b"{}", "VALIDATION_ERROR", "measurements"),
        (b'{"measurements":[]}', "VALIDATION_ERROR", "measurements"),
        (b'{"measurements":{}}', "VALIDATION_ERROR", "measurements"),
        (json.dumps({"measurements": [None] * 1_001}).encode(), "VALIDATION_ERROR", "measurements"),
    ],
)
def test_a_call_that_is_refused_as_a_whole(
    served: Served, body: bytes, code: str, field: str | None
) -> None:
    answer = served.client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error.get("field")) == (code, field)
    assert stored(served.folder) == []


def test_a_thousand_rows_are_one_call(served: Served) -> None:
    rows = [raw.measurement(campaign_id=f"c{at}") for at in range(1_000)]
    assert actions(sync(served, *rows)) == ["created"] * 1_000
    assert actions(sync(served, *rows)) == ["unchanged"] * 1_000


def test_who_may_not_write_is_refused(served: Served) -> None:
    made = (
        (served.keys.create("reads", rights=("read",)), 403),
        (served.keys.create("other", advertisers=("other",)), 404),
    )
    for (_, secret), status in made:
        headers = {"Authorization": f"Bearer {secret}"}
        assert sync(served, raw.measurement(), headers=headers).status_code == status
    assert stored(served.folder) == []


def test_nothing_personal_of_unknown_fields_reaches_the_disk(served: Served) -> None:
    email = "jane@example.com"
    row = raw.measurement(user_match={"email": email}, note=email)
    assert actions(sync(served, row, email, {"email": email})) == ["created", "failed", "failed"]
    for path in served.folder.rglob("*"):
        assert not path.is_file() or email.encode() not in path.read_bytes(), path


def test_half_of_a_character_is_stored_as_it_was_sent(served: Served) -> None:
    body = json.dumps({"measurements": [raw.measurement(campaign_id="\ud83d"), {"unit": "é🦆"}]})
    answer = served.client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert actions(answer) == ["failed", "failed"]
    (document,) = stored(served.folder)
    assert document["measurements"][0]["campaign_id"] == "\ud83d"
    assert document["measurements"][1] == {"unit": "é🦆"}


def test_without_an_index_nothing_is_stored(served: Served) -> None:
    with sqlite3.connect(served.keys.path) as connection:
        connection.execute("create view measurements as select 1 as id")
    answer = sync(served, raw.measurement())
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert stored(served.folder) == []


def test_an_index_is_kept(tmp_path: Path) -> None:
    MeasurementIndex(tmp_path / "api.sqlite").note({"a": "1", "b": "2"})
    index = MeasurementIndex(tmp_path / "api.sqlite")
    index.note({"b": "3"})
    assert index.known({"a": "", "b": "", "c": ""}) == {"a": "1", "b": "3"}


VALUES: Final[tuple[object, ...]] = (
    *(
        None,
        True,
        0,
        -1,
        7.25,
        1e30,
        10**40,
        "",
        "x" * 255,
        "x" * 256,
        "jane@example.com",
        "é🦆\x00",
    ),
    *("revenue", "currency", "count", "mmp", "EUR", "adv", [], {"a": [None]}, "\ud83d"),
    *(
        raw.written(raw.NOW),
        raw.written(raw.NOW + 1),
        "2026-01-01T00:00:60Z",
        "0001-01-01T00:00+14:00",
    ),
)


def any_row(chance: random.Random) -> object:
    """Return a sound row with up to three fields of any value, or such a value itself."""
    if chance.random() < 0.05:
        return chance.choice(VALUES)
    changed = chance.sample([*Measurement.model_fields, "unknown"], chance.randrange(4))
    return raw.measurement() | {name: chance.choice(VALUES) for name in changed}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_stream_refuses_what_the_api_refuses_and_nothing_else(
    served: Served, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  reproducible, not secret
    body = json.dumps({"measurements": [any_row(chance) for _ in range(1_000)]})
    answer = served.client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    answered = answer.json()["measurements"]
    errors = {each["index"]: each["error"] for each in answered if each["action"] == "failed"}
    assert 200 < len(errors) < 800
    result = served.folder / "result.duckdb"
    replay(ReplayOptions(served.folder, result, Settings(), allow_unregistered=True))
    with duckdb.connect(str(result), read_only=True) as connection:
        sql = "select source_index, code || ': ' || message from rejections order by all"
        assert connection.execute(sql).fetchall() == sorted(errors.items())
        stored = connection.execute("select source_index from measurements order by all").fetchall()
    assert stored == [(each["index"],) for each in answered if each["action"] != "failed"]
    assert verify(result).is_equal
