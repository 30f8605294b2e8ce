"""The running release, as results, states and documents record it."""

from importlib.metadata import version
from typing import Final

DISTRIBUTION: Final = "tributary-attribution"
"""The name on the package index, where `tributary` belongs to another project."""


def release() -> str:
    """Return the version of the installed distribution, such as `0.1.0`."""
    return version(DISTRIBUTION)
