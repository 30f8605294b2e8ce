"""What a state directory was created with: format, policy, salts, lanes and key groups."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any, Final, Self
from uuid import uuid4

from attribution.contract.times import UNIX_EPOCH
from attribution.policy import Policy
from connectors.hashing import Salts, hash_check
from connectors.release import release

FORMAT: Final = 4
"""Format version of state.json and of all other files in the state directory."""

SALT_BYTES: Final = 16


def _new_salts() -> Salts:
    return Salts(high=token_hex(SALT_BYTES), low=token_hex(SALT_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFacts:
    """The settings a state is created with. All of its contents depend on them: none may change."""

    policy: Policy
    key_groups: int
    lanes: int
    allow_unregistered: bool
    steps: tuple[str, ...]
    created_at: int
    state_id: str = field(default_factory=lambda: uuid4().hex)
    salts: Salts = field(default_factory=_new_salts)
    version: str = field(default_factory=release)

    @property
    def fingerprint(self) -> str:
        """Return the hash of the policy."""
        return fingerprint_of(self.policy.model_dump(mode="json"))

    def to_json(self) -> dict[str, Any]:
        """Return the content of state.json."""
        return {
            "format": FORMAT,
            "version": self.version,
            "state_id": self.state_id,
            "created_at": (UNIX_EPOCH + timedelta(microseconds=self.created_at)).isoformat(),
            "key_groups": self.key_groups,
            "lanes": self.lanes,
            "allow_unregistered": self.allow_unregistered,
            "steps": list(self.steps),
            "salts": [self.salts.high, self.salts.low],
            "hash_check": hash_check(self.salts),
            "policy": self.policy.model_dump(mode="json"),
            "policy_fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Self:
        """Read the content of state.json."""
        created_at = datetime.fromisoformat(tree["created_at"]) - UNIX_EPOCH
        return cls(
            policy=Policy.model_validate(tree["policy"]),
            key_groups=tree["key_groups"],
            lanes=tree["lanes"],
            allow_unregistered=tree["allow_unregistered"],
            steps=tuple(tree["steps"]),
            created_at=created_at // timedelta(microseconds=1),
            state_id=tree["state_id"],
            salts=Salts(*tree["salts"]),
            version=tree["version"],
        )


def fingerprint_of(policy: Any) -> str:  # noqa: ANN401  as JSON has it
    """Return the SHA-256 of a policy in its JSON form."""
    return hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
