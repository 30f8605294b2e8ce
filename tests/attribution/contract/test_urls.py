"""Absolute URLs and the hosts in them."""

import pytest

from attribution.contract.urls import ParsedUrl, parse_url


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://shop.example.org/a b?q=ü#f", "shop.example.org"),
        ("HTTPS://SHOP.Example.Org", "shop.example.org"),
        ("http://shop.example.org.:80?x", "shop.example.org"),
        ("https://me:pass@shop.example.org:8443/", "shop.example.org"),
        ("https://shop.example.org#@evil.example", "shop.example.org"),
        ("https://[2001:DB8::1]:443/x", "[2001:db8::1]"),
        ("https://münchen.example/", "münchen.example"),
        ("shopapp://basket/done", "basket"),
        ("shopapp:///done", None),
        ("shopapp:done", None),
        ("file:///basket", None),
        ("urn:isbn:123", None),
    ],
)
def test_an_absolute_url_and_its_host(text: str, host: str | None) -> None:
    assert parse_url(text) == ParsedUrl(text, host)


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        "shop.example.org/basket",
        "/basket",
        "//shop.example.org/basket",
        "https:",
        "https://",
        "https:///basket",
        "https://:443/",
        "http:basket",
        " https://shop.example.org/",
        "https://shop.example.org/\n",
        "https://shop.example.org:port/",
        "https://shop example.org/",
        "https://evil.example\\.shop.example.org/",
        "https://[::1/",
        "https://[zz]/",
        "1https://shop.example.org/",
    ],
)
def test_what_is_no_absolute_url(text: object) -> None:
    assert parse_url(text) is None
