"""`tributary link`: signed links of an ad."""

# ruff: noqa: PLC0415  a command imports when it runs

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.failures import MISTAKEN, report

DAY_SECONDS = 86_400


class Kind(StrEnum):
    """What to print, if not both."""

    CLICK = "click"
    PIXEL = "pixel"


def link(
    folder: Annotated[
        Path,
        typer.Argument(show_default=False, help="Folder of the log that the API writes to."),
    ],
    *,
    advertiser: Annotated[str, typer.Option(metavar="ID", help="Whose ad it is.")],
    impression: Annotated[
        str,
        typer.Option(metavar="ID", help="The impression; every one that is served has its own."),
    ],
    campaign: Annotated[str, typer.Option(metavar="ID", help="The campaign.")],
    target: Annotated[
        str, typer.Option(metavar="URL", help="The landing page; not for --only pixel.")
    ] = "",
    media_buy: Annotated[str | None, typer.Option(metavar="ID", help="The media buy.")] = None,
    package: Annotated[str | None, typer.Option(metavar="ID", help="The package.")] = None,
    creative: Annotated[str | None, typer.Option(metavar="ID", help="The creative.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Days until it expires.")] = 30,
    url: Annotated[
        str, typer.Option(help="Where browsers reach the API.")
    ] = "http://127.0.0.1:8600",
    only: Annotated[Kind | None, typer.Option(help="Print one link, and nothing else.")] = None,
) -> None:
    """Print the signed click and pixel links of an ad.

    The click link records a click and redirects to the landing page with a new sc3clid; the pixel
    records the impression.
    """
    from connectors.api.keys import KeyStore
    from connectors.api.links import Link
    from flows.serve.serve import KEYS, LINKS
    from flows.serve.up import log_of

    folder = log_of(folder)
    if not (folder / KEYS).exists():  # a new secret would make links that no API follows
        report(f"{folder} has no {KEYS}; name the folder that an API has been started with")
        raise typer.Exit(MISTAKEN)
    secret = KeyStore(folder / KEYS).secret(LINKS)

    def signed(target: str | None) -> str:
        made = Link(
            advertiser_id=advertiser,
            impression_id=impression,
            campaign_id=campaign,
            media_buy_id=media_buy,
            package_id=package,
            creative_id=creative,
            target=target,
            expires_at=int(time.time()) + days * DAY_SECONDS,
        )
        return url.rstrip("/") + made.signed(secret)

    targets = {Kind.CLICK: target, Kind.PIXEL: None}
    if only is not None:
        typer.echo(signed(targets[only]))
        return
    for kind, given in targets.items():
        typer.echo(f"{kind}  {signed(given)}")
