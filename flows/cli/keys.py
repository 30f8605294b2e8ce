"""`tributary keys`: API keys of a folder."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from flows.cli.failures import MISTAKEN, reporting

keys = typer.Typer(no_args_is_help=True, help="API keys, and the address of the pages.")

Folder = Annotated[Path, typer.Argument(show_default=False, help="Folder of the log, or of up.")]

Staging = Annotated[
    bool, typer.Option("--staging", help="For an API that is served with --staging.")
]


@keys.command()
@reporting
def create(
    folder: Folder,
    *,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    advertisers: Annotated[
        list[str] | None,
        typer.Option("--advertiser", metavar="ID", help="Only for it. May be repeated."),
    ] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", metavar="ID", help="Only events of it. May be repeated."),
    ] = None,
    rights: Annotated[
        list[str] | None,
        typer.Option("--right", metavar="RIGHT", help="write, read or admin. May be repeated."),
    ] = None,
    staging: Staging = False,
) -> None:
    """Make a key; its secret is shown once and stored nowhere.

    Without --advertiser it is for all, without --right it has all rights.
    """
    from connectors.api.keys import RIGHTS, KeyStore
    from flows.serve.serve import KEYS
    from flows.serve.up import log_of

    unknown = set(rights or ()) - set(RIGHTS)
    if unknown:
        typer.echo(
            f"tributary: --right is one of {', '.join(RIGHTS)}, not {min(unknown)}", err=True
        )
        raise typer.Exit(MISTAKEN)
    store = KeyStore(log_of(folder) / KEYS, is_staging=staging)
    key, secret = store.create(
        name, advertisers=advertisers or (), sources=sources or (), rights=rights or RIGHTS
    )
    typer.echo(f"{secret}\nkey {key.id}; this is the only time its secret is shown", err=False)


@keys.command("list")
@reporting
def list_keys(folder: Folder) -> None:
    """List the keys, without their secrets."""
    from attribution.contract.times import write_time
    from connectors.api.keys import KeyStore
    from flows.serve.serve import KEYS
    from flows.serve.up import log_of
    from flows.text import text_table

    rows = [
        [
            key.id,
            key.name,
            ", ".join(sorted(key.advertisers)) or "all",
            ", ".join(sorted(key.sources)) or "all",
            ", ".join(sorted(key.rights)),
            write_time(key.created_at),
            "" if key.revoked_at is None else write_time(key.revoked_at),
        ]
        for key in KeyStore(log_of(folder) / KEYS).all()
    ]
    headers = ["key", "name", "advertisers", "sources", "rights", "made", "revoked"]
    typer.echo(text_table(headers, rows) if rows else "no API keys")


@keys.command()
@reporting
def rotate(
    folder: Folder,
    key: Annotated[str, typer.Argument(show_default=False, help="As listed.")],
    *,
    hours: Annotated[
        int, typer.Option("--overlap", min=0, max=8_760, help="Hours that the old key is valid.")
    ] = 24,
    staging: Staging = False,
) -> None:
    """Make a key like another; that one is revoked after --overlap hours."""
    from connectors.api.keys import KeyStore
    from flows.serve.serve import KEYS
    from flows.serve.up import log_of

    made = KeyStore(log_of(folder) / KEYS, is_staging=staging).rotate(
        key, overlap_seconds=hours * 3_600
    )
    if made is None:
        _unknown(key)
    new, secret = made
    typer.echo(f"{secret}\nkey {new.id}; this is the only time its secret is shown")
    typer.echo(f"{key} is revoked in {hours} h")


@keys.command()
@reporting
def revoke(
    folder: Folder, key: Annotated[str, typer.Argument(show_default=False, help="As listed.")]
) -> None:
    """Revoke a key; within two seconds no call is accepted with it."""
    from connectors.api.keys import KeyStore
    from flows.serve.serve import KEYS
    from flows.serve.up import log_of

    if not KeyStore(log_of(folder) / KEYS).revoke(key):
        _unknown(key)
    typer.echo(f"revoked {key}")


@keys.command()
@reporting
def pages(
    folder: Folder,
    *,
    host: Annotated[str, typer.Option(help="Address that the API listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port that it listens on.")] = 8600,
    renew: Annotated[
        bool, typer.Option("--renew", help="Let nobody in who has the address of before.")
    ] = False,
    staging: Staging = False,
) -> None:
    """Print the address that lets a browser see the pages.

    A renewed address holds from the next start of the API.
    """
    from connectors.api.keys import KeyStore
    from flows.serve.pages.access import PURPOSE
    from flows.serve.serve import KEYS, page_access
    from flows.serve.up import log_of

    log = log_of(folder)
    if renew:
        KeyStore(log / KEYS, is_staging=staging).forget_secret(PURPOSE)
    typer.echo(page_access(log, is_staging=staging).address(host, port))


def _unknown(key: str) -> NoReturn:
    typer.echo(f"tributary: no valid key {key}; list them with: tributary keys list", err=True)
    raise typer.Exit(MISTAKEN)
