"""Validates an object against a model, drops faulty fields that may be dropped, or refuses it.

Translates pydantic's errors by the table of rules and has no code for single fields. A valid event
costs one validation; a repaired one costs two.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from attribution.contract.document import JsonObject
from attribution.contract.rules import MISSING, OTHERWISE, RULES, Drop, Refuse, Rules, Verdict
from attribution.contract.shapes import Shape
from attribution.contract.verdicts import Problem
from attribution.vocabulary import Warn

Path = tuple[str | int, ...]
Model = TypeVar("Model", bound=Shape)
_INDEX: Final = re.compile(r"\[\d+\]")
_SIZES: Final = {"greater_than_equal": "a smaller number", "less_than_equal": "a larger number"}
"""What a message says was given where a number is out of bounds."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A dropped field, and the warning that says why."""

    path: Path
    warning: Warn

    @property
    def field(self) -> str:
        """The path as it is written in `dropped`."""
        return write_path(self.path)


@dataclass(frozen=True, slots=True)
class Sound(Generic[Model]):
    """A valid model, the object it was read from (after repairs), and the repairs."""

    model: Model
    given: dict[str, Any]
    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True)
class FieldFault:
    """The first problem, and all top-level fields with a problem (the others are valid)."""

    problem: Problem
    fields: frozenset[str]


def check(
    model: type[Model], given: dict[str, Any], *, under: Path = (), rules: Rules = RULES
) -> Sound[Model] | FieldFault:
    """Validate an object that lies `under` a path of its record."""
    try:
        return Sound(model.model_validate(given), given, ())
    except ValidationError as error:
        details = error.errors(include_url=False)
    # Outside of `except`, so that an error raised here does not have the input as its context.
    faults = [_judge(detail, under, rules) for detail in details]
    refused = [fault for fault in faults if isinstance(fault.verdict, Refuse)]
    if refused:
        return FieldFault(_problem(refused[0]), frozenset(str(fault.path[0]) for fault in refused))
    repairs: dict[Path, Repair] = {}
    for fault in faults:
        for repair in _repairs(fault, given):
            repairs.setdefault(repair.path, repair)
    mended = without(given, repairs.keys())
    return Sound(model.model_validate(mended), mended, tuple(repairs.values()))


def without(given: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return a copy without the fields at `paths`; of repeated keys one value is left."""
    # From the back, so that positions in arrays stay valid.
    for path in sorted(paths, reverse=True):
        given = _remove(given, path)
    return given


class _Fault(NamedTuple):
    path: Path
    verdict: Verdict
    got: str


def _judge(detail: ErrorDetails, under: Path, rules: Rules) -> _Fault:
    path = under + detail["loc"]
    given = detail["input"]
    is_missing = given is None or detail["type"] == MISSING
    for length in range(len(path), 0, -1):
        rule = rules.get(_INDEX.sub("[]", write_path(path[:length])))
        if rule:
            verdict = rule.get(MISSING if is_missing else detail["type"], rule[OTHERWISE])
            got = _SIZES.get(detail["type"]) or _describe(given)
            return _Fault(path[:length], verdict, "nothing" if is_missing else got)
    message = f"no rule for {write_path(path)}"
    raise AssertionError(message)


def _problem(fault: _Fault) -> Problem:
    assert isinstance(fault.verdict, Refuse)
    field = write_path(fault.path)
    message = f"{field} must be {fault.verdict.expected}; got {fault.got}"
    return Problem(fault.verdict.code, field, message)


def _repairs(fault: _Fault, given: dict[str, Any]) -> Iterator[Repair]:
    path, verdict = fault.path, fault.verdict
    assert isinstance(verdict, Drop)
    yield Repair(path, verdict.warning)
    if verdict.neighbour and given[str(path[0])].get(verdict.neighbour) is not None:
        yield Repair((path[0], verdict.neighbour), verdict.warning)


def write_path(path: Path) -> str:
    """Write `("user_match", "uids", 0)` as `user_match.uids[0]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def _describe(given: object) -> str:
    match given:
        case str():
            return f"a string of length {len(given)}"
        case bool():
            return "a boolean"
        case list():
            return f"an array of length {len(given)}"
        case dict():
            return "an object"
        case _:
            return "a number"


def _remove(node: Any, path: Path) -> Any:  # noqa: ANN401 - the tree below a path may be anything
    step, rest = path[0], path[1:]
    edited: Any = node.copy() if isinstance(node, list) else dict(node)
    if rest:
        edited[step] = _remove(edited[step], rest)
    else:
        del edited[step]
    return edited if isinstance(edited, list) else JsonObject(list(edited.items()))
