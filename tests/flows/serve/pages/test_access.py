from http.cookies import SimpleCookie

import pytest
from starlette.requests import Request

from flows.serve.pages.access import Access

ACCESS = Access(b"a secret of the server")
OTHER = Access(b"another one")


def request(path: str, query: str, scheme: str = "http") -> Request:
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": []}
    return Request({**scope, "scheme": scheme, "server": ("127.0.0.1", 8600), "method": "GET"})


def test_the_address_has_the_key() -> None:
    assert ACCESS.address("127.0.0.1", 8600) == f"http://127.0.0.1:8600/?key={ACCESS.key}"
    assert ACCESS.address("0.0.0.0", 80).startswith("http://127.0.0.1:80/")  # noqa: S104  a text
    assert ACCESS.address("::1", 80).startswith("http://[::1]:80/")
    assert len(ACCESS.key) == 43


def test_neither_key_nor_cookie_leads_to_the_other() -> None:
    known = {ACCESS.key, ACCESS.cookie_value, ACCESS.cookie_name, ACCESS.secret.decode()}
    assert len(known) == 4
    assert not ACCESS.may_see({ACCESS.cookie_name: ACCESS.key})


def test_the_key_is_exchanged_for_a_cookie() -> None:
    answer = ACCESS.entered(request("/test", f"a=1&key={ACCESS.key}&b="))
    assert answer is not None
    assert (answer.status_code, answer.headers["location"]) == (303, "/test?a=1&b=")
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "strict"
    assert cookie["secure"] == ""
    assert ACCESS.may_see({cookie.key: cookie.value})
    assert not OTHER.may_see({cookie.key: cookie.value})
    assert not OTHER.may_see({OTHER.cookie_name: cookie.value})


def test_over_https_the_cookie_is_for_https_only() -> None:
    answer = ACCESS.entered(request("/", f"key={ACCESS.key}", scheme="https"))
    assert answer is not None
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("query", ["", "key=", "key=x", "key=%F0%9F%92%A5", f"key={OTHER.key}"])
def test_without_the_key_there_is_no_way_in(query: str) -> None:
    assert ACCESS.entered(request("/", query)) is None


@pytest.mark.parametrize("value", ["", "x", "é", ACCESS.cookie_value[:-1]])
def test_a_wrong_cookie_shows_nothing(value: str) -> None:
    assert not ACCESS.may_see({})
    assert not ACCESS.may_see({ACCESS.cookie_name: value})
