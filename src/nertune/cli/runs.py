"""`nertune runs …` and `nertune status`: what has been run, what it came to, what it takes on disk."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nertune.cli.options import AsJson, Edits, print_json
from nertune.errors import UserError

WATCH_S = 2.0


class RunsGroup(TyperGroup):
    """The commands behind `nertune runs`; a study file there is told where it goes."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0].endswith((".yaml", ".yml")):
            raise UserError(f"runs has no command {args[0]}", fix=f"nertune runs --study {args[0]}")
        return super().resolve_command(ctx, args)


runs_app = typer.Typer(
    cls=RunsGroup,
    rich_markup_mode=None,
    help="All runs of a record: what, when, state, scores, folder. `show ID` tells all of one, `rm` frees disk.",
)

Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="FILE|URL",
        help="The record [default: nertune.db here, or studies/nertune.db]",
        show_default=False,
    ),
]
StudyName = Annotated[
    str | None,
    typer.Option(
        "--study", metavar="NAME|FILE", help="Only this study: its name, or its study file, which names the record, too"
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="EXPR",
        help='Only runs for which it holds, for example "f1 > 0.8 and state == complete"; can be repeated. '
        "KEY is a score (f1 is that of dev; test.f1), id, study, name, stage, state, cause, seed, seconds, epoch, started "
        "or a setting (train.learning_rate); < <= > >= == != compare, ~ is contains; and, or, not, ( )",
    ),
]


@runs_app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    storage: Storage = None,
    study: StudyName = None,
    where: Where = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", metavar="KEY", help="By a key of --where; -KEY: the largest first [default: the newest]"
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="So many at most")] = None,
    with_earlier: Annotated[
        bool, typer.Option("--all", help="Also the attempts that were followed by another one")
    ] = False,
    studies: Annotated[
        bool, typer.Option("--studies", help="A row a study instead: state, trials, best on dev, test over seeds")
    ] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row a run as CSV, every score and setting")] = False,
) -> None:
    """All runs of a record: what, when, state, scores, folder. `show ID` tells all of one, `rm` frees disk."""
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    from nertune.workflows.run_runs import find_record, list_runs

    if as_json and as_csv:
        raise UserError("--json and --csv were given together", fix="Give one of them")
    record = find_record(storage, study)
    if studies:
        if where or sort or limit or with_earlier or as_csv:
            raise UserError("--studies lists all studies as they are", fix="nertune runs --studies --json")
        _list_studies(record, as_json=as_json)
        return
    listing = list_runs(record, where=where or (), sort=sort, limit=limit, with_earlier=with_earlier)
    rows = [run.to_json() for run in listing.runs]
    if as_json:
        print_json(rows)
        return
    from nertune.report.runs import show_runs, write_runs_csv

    if as_csv:
        write_runs_csv(rows, sys.stdout)
    else:
        show_runs(rows, total=listing.total, storage=record.storage)


@runs_app.command()
def show(
    run: Annotated[
        str, typer.Argument(metavar="ID", help="A run's id, or its name: trial-0003, seed-0001", show_default=False)
    ],
    storage: Storage = None,
    study: StudyName = None,
    as_json: AsJson = False,
) -> None:
    """Everything of one run: state, setting, scores by split and label, curve, folder, log and files."""
    from nertune.report.runs import show_run
    from nertune.workflows.run_runs import describe_run, find_record

    told = describe_run(find_record(storage, study), run)
    if as_json:
        print_json(told)
    else:
        show_run(told)


@runs_app.command()
def rm(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids or names of runs", show_default=False)
    ] = None,
    storage: Storage = None,
    study: StudyName = None,
    where: Where = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="The whole folders and logs of the runs, not their weights alone; the next best-and-train trains such "
            "a seed run again",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, remove nothing")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Free disk: the weights of runs are removed, of a whole study (--study alone) also its encoded data.

    The record stays: runs and scores in the database always, and without --everything also results, predictions,
    spec.yaml and environment.json in the folders. best-and-train takes such a seed run as done and does not train it
    again; to get its weights back, remove it with --everything first. A study that is being written is refused.
    """
    from nertune.report.runs import show_removal
    from nertune.workflows.removal import plan_removal, remove
    from nertune.workflows.run_runs import find_record

    removal = plan_removal(find_record(storage, study), runs or (), where=where or (), everything=everything)
    told = removal.to_json()
    if not as_json:
        show_removal(told, was_done=False)
    if removal.items and not dry_run:
        if not is_sure:
            _ask(as_json=as_json)
        remove(removal)
        if not as_json:
            show_removal({**told, "unfinished": 0}, was_done=True)
    if as_json:
        print_json({**told, "removed": bool(removal.items) and not dry_run})


def status(
    study: Annotated[Path, typer.Argument(help="Study file, or the study's output folder", show_default=False)],
    edits: Edits = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 2 s until nobody runs it; Ctrl-C ends")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """How far a study is that runs in another terminal: who runs it, trials, best so far, time left. Only looks."""
    from nertune.report.status import show_status
    from nertune.report.tables import result_console
    from nertune.workflows.run_status import status as look

    if watch and as_json:
        raise UserError("--watch and --json were given together", fix="Give one of them")
    told = look(study, edits=edits or [])
    if watch:
        _watch(study, told, edits=edits or [])
    elif as_json:
        print_json(told)
    else:
        show_status(result_console(), told)


def _watch(study: Path, told: dict[str, Any], *, edits: list[str]) -> None:
    """Drawn in place on a terminal; elsewhere a line whenever something has changed."""
    from nertune.report.status import draw_status, headline, show_status
    from nertune.report.tables import result_console
    from nertune.workflows.run_status import status as look

    console = result_console()
    is_screen = console.is_terminal and not console.is_dumb_terminal
    last = ""
    try:
        if is_screen:
            from rich.live import Live

            with Live(draw_status(told), console=console, auto_refresh=False, transient=True) as live:
                while told["holder"] is not None:
                    time.sleep(WATCH_S)
                    told = look(study, edits=edits)
                    live.update(draw_status(told), refresh=True)
        while not is_screen:
            if (line := headline(told)) != last:
                typer.echo(line)
                last = line
            if told["holder"] is None:
                break
            time.sleep(WATCH_S)
            told = look(study, edits=edits)
    except KeyboardInterrupt:
        pass
    if is_screen:
        show_status(console, told)


def _list_studies(record: Any, *, as_json: bool) -> None:
    from nertune.report.runs import show_studies
    from nertune.workflows.run_status import list_studies

    told = list_studies(record)
    if as_json:
        print_json(told)
    else:
        show_studies(told, storage=record.storage)


def _refuse_options_before(context: typer.Context) -> None:
    """`nertune runs --study x rm` would remove from all studies, were the option not heeded."""
    given = [name for name, value in context.params.items() if value]
    if given:
        command = context.invoked_subcommand
        raise UserError(
            f"options of {command} stand behind its name",
            fix=f"nertune runs {command} … --{given[0].replace('_', '-')} …",
        )


def _ask(*, as_json: bool) -> None:
    """Raise UserError where nobody is there to answer, and leave where the answer is no."""
    if as_json or not sys.stdin.isatty():
        raise UserError("nothing was removed: nobody can be asked here", fix="--yes removes it, --dry-run only says")
    if not typer.confirm("Remove them?"):
        typer.echo("Nothing was removed.")
        raise typer.Exit
