"""Which partitions' brokers have answered lately, by reports as librdkafka writes them."""

import json
from typing import Any

from connectors.kafka.liveness import SILENT_SECONDS, BrokerLiveness

LONG = int(SILENT_SECONDS * 1e6) + 1


def report(partitions: dict[str, int], *brokers: dict[str, Any]) -> str:
    """Write a report: the broker that partitions of topic `t` are fetched from, and brokers."""
    usual = {"source": "learned", "rxidle": 0, "txidle": 0, "waitresp_cnt": 1, "state": "UP"}
    places = {number: {"broker": broker, "leader": broker} for number, broker in partitions.items()}
    told = {str(at): usual | broker for at, broker in enumerate(brokers)}
    return json.dumps({"brokers": told, "topics": {"t": {"topic": "t", "partitions": places}}})


def recent(answers: BrokerLiveness) -> list[str]:
    return [name for name in ("t-0", "t-1") if answers.are_recent(name)]


def noted() -> tuple[BrokerLiveness, list[str]]:
    met: list[str] = []
    return BrokerLiveness(lambda: met.append("silent")), met


def test_a_partition_is_known_by_the_broker_that_it_is_fetched_from() -> None:
    answers, met = noted()
    assert recent(answers) == []
    answers.report(report({"0": 1, "1": 2}, {"nodeid": 1}, {"nodeid": 2, "rxidle": LONG}))
    assert recent(answers) == ["t-0"]
    answers.report(report({"0": 1, "1": 2}, {"nodeid": 1, "rxidle": LONG}, {"nodeid": 2}))
    assert recent(answers) == ["t-1"]
    assert met == []


def test_a_broker_that_never_answered_is_not_believed() -> None:
    answers, _ = noted()
    answers.report(report({"0": 1}, {"nodeid": 1, "rxidle": -1}))
    assert recent(answers) == []
    answers.note("t-0")
    assert recent(answers) == ["t-0"]


def test_what_the_coordinator_says_is_no_answer_about_a_partition() -> None:
    answers, _ = noted()
    coordinator = {"nodeid": 1, "source": "logical"}
    answers.report(report({"0": 1}, {"nodeid": 1, "rxidle": LONG}, coordinator))
    assert recent(answers) == []


def test_a_new_leader_is_believed_from_the_second_report_on() -> None:
    answers, _ = noted()
    answers.report(report({"0": 1}, {"nodeid": 1, "rxidle": LONG}, {"nodeid": 2}))
    answers.report(report({"0": 2}, {"nodeid": 1, "rxidle": LONG}, {"nodeid": 2}))
    assert recent(answers) == []
    answers.report(report({"0": 2}, {"nodeid": 1, "rxidle": LONG}, {"nodeid": 2}))
    assert recent(answers) == ["t-0"]


def test_a_silence_is_told_once_and_only_where_an_answer_is_owed() -> None:
    answers, met = noted()
    silent = {"nodeid": 1, "rxidle": LONG, "txidle": LONG}
    answers.report(report({}, silent | {"waitresp_cnt": 0}))
    answers.report(report({}, silent | {"txidle": 0}))
    assert met == []
    answers.report(report({}, silent))
    answers.report(report({}, silent))
    answers.report(report({}, silent | {"waitresp_cnt": 0}))
    answers.report(report({}, silent))
    assert met == ["silent"]
    answers.report(report({}, {"nodeid": 1}))
    answers.report(report({}, silent))
    assert met == ["silent", "silent"]
