"""The console command `tributary`: its subcommands and their modules.

Every command imports what it needs when it runs, to keep start-up fast.
"""

import os
import sys

import typer

from flows.cli.ask import explain, sql, verify
from flows.cli.config import config
from flows.cli.dead_letters import dead_letters
from flows.cli.failures import reporting, told_operating
from flows.cli.generate import generate
from flows.cli.hash import hash_identifiers
from flows.cli.keys import keys
from flows.cli.link import link
from flows.cli.options import Version
from flows.cli.output import lenient_stdout
from flows.cli.replay import replay
from flows.cli.report import report
from flows.cli.run import run
from flows.cli.send import send
from flows.cli.serve import serve, up
from flows.cli.state import state
from flows.cli.topics import schema, topics

# Linear algebra is not used, so numpy's library for it need not start a thread per core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Arrow's own allocator keeps freed memory apart from what DuckDB, numpy and Python could reuse: it
# costs a replay a tenth more memory, and some CPU.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

app = typer.Typer(
    name="tributary",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
"""Help and tracebacks are plain text: the same on a terminal, in a file and in the docs."""


@app.callback()
def tributary(*, version: Version = False) -> None:
    """Raw log events and impressions in, attributed conversions and match statistics out."""


for command in (replay, run, serve, up, link, send, sql, explain, report, verify, config, schema):
    app.command()(reporting(command))
app.command("hash")(reporting(hash_identifiers))
app.add_typer(generate, name="generate")
app.add_typer(state)
app.add_typer(topics, name="topics")
app.add_typer(keys, name="keys")
app.add_typer(dead_letters, name="dead-letters")


def main() -> None:
    """Run the command line and exit; a usage or operating error prints one line."""
    output = lenient_stdout()
    if output is not None:
        sys.stdout = output
    try:
        with told_operating():
            reporting(app)()
    except typer.Exit as end:  # of an error that no command has reported
        sys.exit(end.exit_code)
