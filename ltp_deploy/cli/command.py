"""Commands whose help page has sections and cuts no sentence short.

Click's own classes with the two hooks overridden that it has for this. A library such as cloup
would do the sections alone, and would more than double what `-h` imports.
"""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from ltp_deploy.cli.supervise import in_child, say_stopped
from ltp_deploy.errors import LtpError, of_system, said

OWN_PROCESS = object()  # what click passes on where nobody but the shell called `main`

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


class Option(click.Option):
    """An option that knows the heading it stands under on the help page."""

    def __init__(self, *names: Any, heading: str, **settings: Any):
        super().__init__(*names, **settings)
        self.heading = heading


def section(heading: str) -> Callable[..., Decorator]:
    """`click.option`, for options that stand under one heading on the help page."""
    return partial(click.option, cls=Option, heading=heading)


class Command(click.Command):
    """A command that lists its options by heading, in the order in which they are declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [o for o in self.get_params(ctx) if isinstance(o, click.Option)]
        headings = dict.fromkeys(o.heading for o in options if isinstance(o, Option))
        other = "Other options" if headings else "Options"
        for heading in (*headings, other):
            rows = [o.get_help_record(ctx) for o in options if heading == _heading(o, other)]
            with formatter.section(heading):
                formatter.write_dl([row for row in rows if row is not None])

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first paragraph of the help text, whole, whatever the limit."""
        first = inspect.cleandoc(self.help or "").split("\n\n")[0]
        return " ".join(first.split())


class WritingCommand(Command):
    """A command that writes; where it has the process for itself, it works in a child process."""

    advice = ""  # for users who stop it

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.find_root().obj is OWN_PROCESS:
            in_child(self.advice)
        return super().invoke(ctx)


def _heading(option: click.Option, other: str) -> str:
    return option.heading if isinstance(option, Option) else other


class Group(click.Group):
    """Commands in the order in which they were added. Errors meant for users, and those of the
    operating system, have no traceback, unless `--debug` asks for it."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        if not arguments and settings.get("args") is None:
            settings["obj"] = OWN_PROCESS
            _open_standard_streams()
        return super().main(*arguments, **settings)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            for_users = isinstance(error, LtpError) or of_system(error)
            broken_pipe = isinstance(error, BrokenPipeError)  # which click itself takes for an end
            if not for_users or broken_pipe or ctx.params.get("debug"):
                raise
            raise click.ClickException(said(error)) from error
        except KeyboardInterrupt:
            ctx.exit(say_stopped(signal.SIGINT))


def _open_standard_streams() -> None:
    """Give the process those that it was started without (`>&-`): Python has None in their places,
    and the next file that anybody opens gets their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(null, "w" if number else "r"))
