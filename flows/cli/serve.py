"""`tributary serve` and `tributary up`: the API, alone or together with the job."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Config, Overrides, settings_of

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")]


def serve(
    folder: Annotated[
        Path,
        typer.Argument(
            show_default=False,
            help="Folder of the log that accepted events are added to, and of API keys.",
        ),
    ],
    *,
    db: Annotated[
        Path | None,
        typer.Option(help="Result that pages and read routes show; it may not exist yet."),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8600,
    wrapped: Annotated[
        bool, typer.Option("--wrapped", help='Put successful answers into "data".')
    ] = False,
    staging: Annotated[
        bool,
        typer.Option("--staging", help="Take only keys of staging, and say so in AdCP answers."),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the port; limits are of each.")
    ] = 1,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Serve the HTTP API in front of a folder or topics.

    With `kafka.bootstrap_servers` set, accepted events go to topics; the folder holds API keys.

    An answer of 200 means that the events are stored. Runs until SIGTERM or Ctrl-C. Make API keys
    with `tributary keys create`.
    """
    from flows.serve.serve import ServeOptions
    from flows.serve.serve import serve as serve_until_asked
    from flows.serve.up import log_of

    settings = settings_of(config, overrides).settings
    serve_until_asked(
        ServeOptions(
            log_of(folder),
            host,
            port,
            settings,
            is_wrapped=wrapped,
            is_staging=staging,
            workers=workers,
            result=db,
        ),
        typer.echo,
    )


def up(
    folder: Annotated[
        Path, typer.Argument(help="Folder for log, state, result and keys; made if absent.")
    ] = Path("tributary"),
    *,
    host: Host = "127.0.0.1",
    port: Port = 8600,
) -> None:
    """Start the API and the job together, in one folder.

    The first start makes everything and prints an API key. Ctrl-C ends the API first, then drains
    the job; the next start goes on from there.
    """
    from flows.process.stopping import Stopping, asked_by_signals
    from flows.serve.serve import bound
    from flows.serve.up import Part, Place, run_together, welcome

    bound(host, port).close()
    place = Place(folder)
    secret = place.make()
    stopping = Stopping()
    with asked_by_signals(stopping):
        for line in welcome(place, host, port, secret):
            typer.echo(line)
        api, job = place.serve_command(host, port), place.run_command()

        def tell(told: str) -> None:
            typer.echo(f"tributary: {told}", err=True)

        code = run_together(Part("the API", api), Part("the job", job), stopping, tell)
    raise typer.Exit(code)
