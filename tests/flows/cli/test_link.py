"""`tributary link`: links that the API of the folder follows, and no other."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from typer.testing import CliRunner, Result

from connectors.api.keys import KeyStore
from connectors.api.links import read_link
from flows.cli.app import app
from flows.serve.serve import KEYS, LINKS

AD = ("--advertiser", "adv", "--impression", "imp", "--campaign", "cmp")


def run(folder: Path, *words: object) -> Result:
    KeyStore(folder / KEYS).create("first")
    return CliRunner().invoke(app, ["link", str(folder), *map(str, words)])


def test_both_links_are_signed_by_the_folder(tmp_path: Path) -> None:
    page = "https://shop.example.com/?a=1"
    printed = run(
        tmp_path, *AD, "--target", page, "--media-buy", "mb", "--url", "https://t.example/"
    )
    assert printed.exit_code == 0, printed.output
    click, pixel = (line.split() for line in printed.stdout.splitlines())
    assert (click[0], pixel[0]) == ("click", "pixel")
    secret = KeyStore(tmp_path / KEYS).secret(LINKS)
    for (_, url), target, path in ((click, page, "/t/c"), (pixel, None, "/t/i.gif")):
        parts = urlsplit(url)
        assert (parts.netloc, parts.path) == ("t.example", path)
        link = read_link(dict(parse_qsl(parts.query)), secret)
        assert (link.target, link.media_buy_id, link.package_id) == (target, "mb", None)


def test_one_link_is_printed_bare(tmp_path: Path) -> None:
    pixel = run(tmp_path, *AD, "--only", "pixel").stdout
    assert pixel.startswith("http://127.0.0.1:8600/t/i.gif?")
    assert len(pixel.splitlines()) == 1


def test_a_target_that_is_no_page_is_refused(tmp_path: Path) -> None:
    refused = run(tmp_path, *AD, "--target", "javascript:alert(1)")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "a landing page is an http or https URL" in refused.stderr


def test_a_folder_without_an_api_has_no_links(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["link", str(tmp_path), *AD, "--only", "pixel"])
    assert (refused.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "has no api.sqlite" in refused.stderr
