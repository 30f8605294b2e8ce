"""The table `[kafka]`: open to every option of librdkafka, and closed to secrets in open places."""

import json
import re
from pathlib import Path

import pytest

from flows.kafka.topics import planned_topics
from flows.settings.kafka import OPTIONS
from flows.settings.load import SettingsError, load_settings, render_config
from flows.settings.model import Settings

PAGE = (Path(__file__).parents[3] / "docs/kafka.md").read_text(encoding="utf-8")


def test_options_come_from_everywhere_under_their_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "tributary.toml"
    config.write_text(
        "[kafka.options]\n"
        'security.protocol = "SASL_SSL"\n'
        '"ssl.ca.location" = "/ca.pem"\n'
        "enable.ssl.certificate.verification = true\n"
        "socket.timeout.ms = 5000\n"
    )
    monkeypatch.setenv("TRIBUTARY_KAFKA__OPTIONS__SASL__PASSWORD", "secret")
    flags = ["kafka.options.sasl.username=job", "kafka.options.client.rack=2"]
    loaded = load_settings(config=config, overrides=flags)
    assert loaded.settings.kafka.options == {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/ca.pem",
        "enable.ssl.certificate.verification": "true",
        "socket.timeout.ms": "5000",
        "sasl.username": "job",
        "sasl.password": "secret",
        "client.rack": "2",
    }
    assert "secret" not in json.dumps(render_config(loaded))


def test_options_may_be_given_as_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_KAFKA__OPTIONS", '{"sasl.password": "1"}')
    assert load_settings(config=None, overrides=[]).settings.kafka.options == {"sasl.password": "1"}


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ],
)
def test_a_secret_on_the_command_line_is_refused(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(config=None, overrides=[f"{OPTIONS}{name}=secret"])
    variable = f"TRIBUTARY_KAFKA__OPTIONS__{name.upper().replace('.', '__')}"
    assert str(raised.value) == (
        f"kafka.options.{name} (--set): a secret, which others could read there; "
        f"set {variable} instead"
    )


def test_a_secret_that_is_no_text_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_KAFKA__OPTIONS", '{"sasl.password": 12345678}')
    with pytest.raises(SettingsError) as raised:
        load_settings(config=None, overrides=[])
    assert "a valid string; got ********" in str(raised.value)
    assert "12345678" not in str(raised.value)


def test_a_secret_in_a_table_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_KAFKA__OPTIONS", '{"sasl.password": {"old": "12345678"}}')
    shown = json.dumps(render_config(load_settings(config=None, overrides=[])))
    assert "sasl.password.old" in shown
    assert "12345678" not in shown


def test_two_topics_cannot_have_one_name() -> None:
    with pytest.raises(SettingsError, match=r"each topic needs a name of its own"):
        load_settings(config=None, overrides=["kafka.topics.events=adcp.impressions.v1"])


def test_the_page_lists_the_topics_as_they_are_made() -> None:
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \|.*\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    planned = planned_topics(Settings())
    assert [(name, int(partitions)) for name, partitions, _ in rows] == [
        (topic.name, topic.partitions) for topic in planned
    ]
    assert [milliseconds(kept) for _, _, kept in rows] == [
        topic.config.get("retention.ms") for topic in planned
    ]


def milliseconds(kept: str) -> str | None:
    """Read `44 d 1 h`."""
    found = re.fullmatch(r"(\d+) d(?: (\d+) h)?", kept)
    return str((int(found[1]) * 24 + int(found[2] or 0)) * 3_600_000) if found else None
