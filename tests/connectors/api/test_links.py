"""Signed links over HTTP: a click is recorded before anybody is sent on, and nothing is forged."""

import asyncio
import json
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from connectors.api import clicks
from connectors.api.clicks import new_click_id, with_click_id
from connectors.api.links import Link, LinkError
from connectors.spool.store import StoreFullError
from connectors.spool.writer import Spool
from tests.connectors.api.conftest import Served

TARGET = "https://shop.example.com/shoes?size=42#top"
ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


def link(target: str | None = TARGET, **fields: Any) -> Link:  # noqa: ANN401  any field
    defaults = {
        "advertiser_id": "adv",
        "impression_id": "imp 1/ä",
        "campaign_id": "cmp",
        "creative_id": "cr",
        "expires_at": int(time.time()) + 60,
    }
    return Link(**{**defaults, "target": target, **fields})


def made(served: Served, target: str | None = TARGET, **fields: Any) -> str:  # noqa: ANN401  as link
    return link(target, **fields).signed(served.keys.secret("links"))


def followed(served: Served, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes them
    """Follow a link as a browser does, without an API key."""
    with httpx.Client(base_url=served.client.base_url) as browser:
        return browser.request(options.pop("method", "GET"), path, **options)


def records(served: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.stored("impressions")]


def test_a_click_is_recorded_and_lands_with_its_id(served: Served) -> None:
    answer = followed(served, made(served))
    assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
    page = urlsplit(answer.headers["location"])
    assert (page.netloc, page.path, page.fragment) == ("shop.example.com", "/shoes", "top")
    assert page.query.startswith("size=42&sc3clid=")
    (click_id,) = parse_qs(page.query)["sc3clid"]
    assert ULID.fullmatch(click_id)
    (record,) = records(served)
    assert record["time"].endswith(".000000Z"), "not after an event of the same second"
    assert record["time"] <= record["received_at"]
    assert record == {
        "received_at": record["received_at"],
        "advertiser_id": "adv",
        "impression_id": "imp 1/ä",
        "type": "click",
        "time": record["time"],
        "campaign_id": "cmp",
        "creative_id": "cr",
        "user_match": {"click_id": click_id, "click_id_type": "sc3clid"},
    }


def test_a_second_click_has_an_id_of_its_own(served: Served) -> None:
    pages = {followed(served, made(served)).headers["location"] for _ in range(2)}
    assert len(pages) == len(records(served)) == 2


def test_a_pixel_is_an_image_and_an_impression(served: Served) -> None:
    answer = followed(served, made(served, None))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"GIF89a\x01\x00\x01\x00")
    (record,) = records(served)
    assert (record["type"], "user_match" in record) == ("impression", False)


@pytest.mark.parametrize("parameter", list("aicrues"))
def test_whatever_is_changed_in_a_link_it_is_refused(served: Served, parameter: str) -> None:
    path, _, query = made(served).partition("?")
    given = {name: values[0] for name, values in parse_qs(query).items()}
    changes: list[dict[str, str]] = [
        given | {parameter: given[parameter] + "1"},
        given | {parameter: ""},
        {name: value for name, value in given.items() if name != parameter},
    ]
    for changed in changes:
        answer = followed(served, f"{path}?{urlencode(changed)}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INVALID_LINK")
        assert "location" not in answer.headers
    assert followed(served, f"{path}?{query}&b=added").status_code == 403
    assert records(served) == []


def test_nothing_else_is_taken_for_a_link(served: Served) -> None:
    click, pixel = made(served), made(served, None)
    for path in (
        click.replace("/t/c", "/t/i.gif"),
        pixel.replace("/t/i.gif", "/t/c"),
        pixel.replace("/t/i.gif", "/t/c") + f"&u={TARGET}",
        "/t/c",
        f"/t/c?u={TARGET}",
        click.replace("e=", "e=1_000"),
        click.replace("s=", "s=%FF"),
    ):
        answer = followed(served, path)
        assert (answer.status_code, "location" in answer.headers) == (403, False), path
    assert followed(served, link().signed(b"another secret")).status_code == 403


def test_parameters_that_others_add_are_left_alone(served: Served) -> None:
    answer = followed(served, made(served) + "&utm_source=mail&u2=https://evil.example")
    assert answer.status_code == 302
    assert "evil" not in answer.headers["location"]


def test_an_expired_link_leads_nowhere(served: Served) -> None:
    answer = followed(served, made(served, expires_at=int(time.time()) - 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "LINK_EXPIRED")
    assert "location" not in answer.headers
    assert records(served) == []


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}],
)
def test_a_browser_that_loads_ahead_has_not_clicked(
    served: Served, headers: dict[str, str]
) -> None:
    answer = followed(served, made(served), headers=headers)
    assert (answer.status_code, "location" in answer.headers) == (503, False)
    assert answer.headers["cache-control"] == "no-store"
    assert followed(served, made(served, None), headers=headers).status_code == 200
    assert records(served) == []


def test_a_head_request_is_no_click(served: Served) -> None:
    answer = followed(served, made(served), method="HEAD")
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert followed(served, made(served, None), method="HEAD").status_code == 200
    assert records(served) == []


def lost(served: Served) -> float:
    found = re.search(
        r'tributary_lost_records_total\{type="click"\} (\S+)', served.client.get("/metrics").text
    )
    return float(found[1]) if found else 0.0


def test_with_a_full_store_a_person_gets_on_and_the_click_is_counted_as_lost(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_spool: Spool, _document: bytes, _key: str) -> None:
        raise StoreFullError

    before = lost(served)
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "append", full)
        answer = followed(served, made(served))
    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    monkeypatch.setattr(Spool, "has_room", lambda _spool: False)
    assert followed(served, made(served)).headers["location"] == TARGET
    assert followed(served, made(served, None)).status_code == 200
    assert lost(served) == before + 2
    assert records(served) == []


def test_a_slow_store_keeps_nobody_waiting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Spool._write  # noqa: SLF001  what takes long is the disk, below everything public

    def slow(spool: Spool, documents: list[bytes]) -> Any:  # noqa: ANN401  receipts
        time.sleep(0.3)
        return write(spool, documents)

    monkeypatch.setattr(Spool, "_write", slow)
    monkeypatch.setattr(clicks, "KEEP_SECONDS_MAX", 0.05)
    before = lost(served)
    assert followed(served, made(served)).headers["location"] == TARGET
    assert lost(served) == before + 1
    monkeypatch.setattr(clicks, "KEEP_SECONDS_MAX", 5.0)
    assert "sc3clid=" in followed(served, made(served)).headers["location"]
    assert len(records(served)) == 2, "given up, and written all the same"


@pytest.mark.parametrize(
    ("target", "landing"),
    [
        ("https://a.example", "https://a.example?sc3clid=X"),
        ("https://a.example/p", "https://a.example/p?sc3clid=X"),
        ("https://a.example/p?", "https://a.example/p?sc3clid=X"),
        ("https://a.example/p?q=1&", "https://a.example/p?q=1&sc3clid=X"),
        ("https://a.example/p#f?g", "https://a.example/p?sc3clid=X#f?g"),
        ("https://a.example/p?q=%20#", "https://a.example/p?q=%20&sc3clid=X#"),
    ],
)
def test_query_and_fragment_of_the_landing_page_are_kept(target: str, landing: str) -> None:
    assert with_click_id(target, "X") == landing


@pytest.mark.parametrize(
    "target",
    [
        "",
        "shop.example.com",
        "/path",
        "//shop.example.com",
        "javascript:alert(1)",
        "ftp://shop.example.com/",
        "https:///nothing",
        "https://shop.example.com/a b",
        "https://shop.example.com/ä",
        "https://shop.example.com/\r\nSet-Cookie: a=b",
        "https://shop.example.com\\@evil.example/",
        "https://shop.example.com/?sc3clid=1",
        "https://shop.example.com/" + "a" * 2_048,
    ],
)
def test_only_pages_of_the_web_can_be_a_target(target: str) -> None:
    with pytest.raises(LinkError):
        link(target).signed(b"secret")


@pytest.mark.parametrize("name", ["advertiser_id", "impression_id", "campaign_id", "creative_id"])
@pytest.mark.parametrize("value", ["", "i" * 257])
def test_what_could_not_be_recorded_is_no_link(name: str, value: str) -> None:
    with pytest.raises(LinkError, match=name):
        link(**{name: value}).signed(b"secret")


def test_click_ids_are_ulids_in_the_order_of_time() -> None:
    first = new_click_id()
    time.sleep(0.002)
    ids = [first, *(new_click_id() for _ in range(1_000))]
    assert len(set(ids)) == 1_001
    assert all(map(ULID.fullmatch, ids))
    assert ids[0][:10] < ids[-1][:10]
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    millisecond = sum(alphabet.index(c) * 32**at for at, c in enumerate(reversed(first[:10])))
    assert abs(millisecond - time.time() * 1_000) < 5_000


def test_a_hundred_people_click_at_once(served: Served) -> None:
    path = made(served)

    async def all_of_them() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=served.client.base_url) as browsers:
            return await asyncio.gather(*(browsers.get(path) for _ in range(100)))

    pages = {answer.headers["location"] for answer in asyncio.run(all_of_them())}
    stored = {f"sc3clid={each['user_match']['click_id']}#top" for each in records(served)}
    assert {page.partition("&")[2] for page in pages} == stored
    assert len(stored) == 100
