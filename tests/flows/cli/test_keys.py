"""`tributary keys`: made, listed without secrets, and revoked."""

from pathlib import Path

from typer.testing import CliRunner, Result

from connectors.api.keys import KeyStore
from flows.cli.app import app
from flows.serve.serve import KEYS


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["keys", *map(str, words)])


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    assert run("list", tmp_path).stdout == "no API keys\n"
    made = run("create", tmp_path, "--name", "shop", "--advertiser", "adv", "--right", "write")
    secret = made.stdout.split()[0]
    key = KeyStore(tmp_path / KEYS).find(secret)
    assert key is not None
    assert (key.name, key.advertisers, key.rights) == (
        "shop",
        frozenset({"adv"}),
        frozenset({"write"}),
    )
    listed = run("list", tmp_path).stdout
    assert key.id in listed
    assert secret not in listed
    assert run("revoke", tmp_path, key.id).exit_code == 0
    assert KeyStore(tmp_path / KEYS).find(secret) is None
    assert run("revoke", tmp_path, key.id).exit_code == 2


def test_a_rotated_key_is_valid_for_a_while_beside_the_new_one(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / KEYS)
    of_one = ("--name", "shop", "--right", "write", "--advertiser", "adv", "--source", "src")
    old = run("create", tmp_path, *of_one).stdout.split()[0]
    first = store.find(old)
    assert first is not None
    new = run("rotate", tmp_path, first.id).stdout.split()[0]
    second = store.find(new)
    assert second is not None
    assert (second.name, second.rights) == ("shop", frozenset({"write"}))
    assert (second.advertisers, second.sources) == (frozenset({"adv"}), frozenset({"src"}))
    assert second.id != first.id
    assert store.find(old) is not None
    run("rotate", tmp_path, second.id, "--overlap", "0")
    assert store.find(new) is None
    assert run("revoke", tmp_path, first.id).exit_code == 0
    assert store.find(old) is None
    assert run("rotate", tmp_path, first.id).exit_code == 2


def test_an_unknown_right_is_refused(tmp_path: Path) -> None:
    refused = run("create", tmp_path, "--right", "own")
    assert refused.exit_code == 2
    assert "--right is one of write, read, admin, not own" in refused.stderr


def test_keys_of_staging_begin_otherwise_and_count_only_there(tmp_path: Path) -> None:
    secret = run("create", tmp_path, "--staging").stdout.split()[0]
    live = run("create", tmp_path).stdout.split()[0]
    assert secret.startswith("scope3_test_")
    found = {
        is_staging: [
            KeyStore(tmp_path / KEYS, is_staging=is_staging).find(each) for each in (secret, live)
        ]
        for is_staging in (True, False)
    }
    assert [key is not None for key in found[True]] == [True, False]
    assert [key is not None for key in found[False]] == [False, True]


def test_the_address_of_the_pages_is_printed_again_and_renewed(tmp_path: Path) -> None:
    first = run("pages", tmp_path).stdout
    assert first.startswith("http://127.0.0.1:8600/?key=")
    assert run("pages", tmp_path, "--port", 9000).stdout == first.replace("8600", "9000")
    renewed = run("pages", tmp_path, "--renew").stdout
    assert renewed != first
    assert run("pages", tmp_path).stdout == renewed
