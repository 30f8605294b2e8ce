"""Reads the event sources of a folder from `event_sources.json`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from attribution.registry import Registry, RegistryError
from connectors.files.folder import LogError
from connectors.registry.growing import SourceFile
from connectors.regular_files import IrregularError, read_regular

REGISTRY: Final = "event_sources.json"


def load_registry(folder: Path, *, allow_unregistered: bool) -> Registry:
    """Read the event sources of a folder; raises LogError if they are missing or invalid.

    They are in `event_sources.json`, or in the file that grows in its place.
    """
    growing = SourceFile(folder)
    if growing.path.exists() and not (folder / REGISTRY).exists():
        return replace(growing.registry(), allow_unregistered=allow_unregistered)
    return load_sources(folder / REGISTRY, allow_unregistered=allow_unregistered)


def load_sources(path: Path, *, allow_unregistered: bool) -> Registry:
    """Read the registry from a file; raises LogError if it is missing or invalid."""
    try:
        documents = json.loads(read_regular(path))
    except FileNotFoundError as error:
        if allow_unregistered:
            return Registry.from_documents([], allow_unregistered=True)
        msg = f"{path} is missing; add the registry, or --allow-unregistered to do without"
        raise LogError(msg) from error
    except OSError as error:
        is_no_file = isinstance(error, IrregularError)
        advice = "name a file that holds the registry" if is_no_file else "let this user read it"
        msg = f"{path} cannot be read: {error.strerror}; {advice}"
        raise LogError(msg) from error
    except ValueError as error:
        msg = f"{path} is not valid JSON: {error}"
        raise LogError(msg) from error
    if not isinstance(documents, list):
        msg = f"{path} must hold an array of event sources"
        raise LogError(msg)
    try:
        return Registry.from_documents(documents, allow_unregistered=allow_unregistered)
    except RegistryError as error:
        msg = f"{path}: {error}"
        raise LogError(msg) from error
