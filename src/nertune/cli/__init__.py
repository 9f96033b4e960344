"""Terminal words <-> workflows: parses, calls one workflow, prints.

Nothing heavy is imported here: `--help` answers in a blink, and a command imports its workflow when it is called.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import shlex
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

import nertune
from nertune.cli.comparing import compare
from nertune.cli.data import data_app
from nertune.cli.folders import StudyCommand, run_and_tell
from nertune.cli.imports import import_config
from nertune.cli.models import add_model_commands
from nertune.cli.options import AsJson, Edits, IsQuiet, NoReport, print_json
from nertune.cli.runs import runs_app, status
from nertune.errors import (
    InterruptedByUserError,
    NertuneError,
    StoppedError,
    UserError,
    refused_by_system,
    shown_path,
)
from nertune.pretrain.options import PretrainOptions, flag, option_helps
from nertune.signals import stopped_by_signals

if TYPE_CHECKING:
    from nertune.workflows.quick import QuickForm

P = ParamSpec("P")

app = typer.Typer(
    name="nertune",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find the best setting for fine-tuning an encoder on annotated text, and report it honestly over seeds.",
    epilog="A first study: nertune search STUDY, then nertune best-and-train STUDY.",
)

app.add_typer(data_app, name="data")

Study = Annotated[
    Path | None,
    typer.Argument(
        help="Study file, or a folder of them; without it, the quick form's options name everything", show_default=False
    ),
]
NeededStudy = Annotated[Path, typer.Argument(help="Study file", show_default=False)]
StudyOrResults = Annotated[Path, typer.Argument(help="Study file, or its folder of results", show_default=False)]
StudyOrFolder = Annotated[Path, typer.Argument(help="Study file, or a folder of them", show_default=False)]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Fits at a time [default: what cores and memory carry]")
]
Trials = Annotated[
    int | None, typer.Option("--trials", min=1, help="Cells of the study in all, earlier calls included")
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Time of the search in all, earlier calls included, for example 8h"),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Offer failed cells again")]
Task = Annotated[str | None, typer.Option("--task", help="token (entities) or sequence (classes)")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder with train, dev and test files")]
Model = Annotated[str | None, typer.Option("--model", help="Folder of a saved model, or a hub id")]
Tokenizer = Annotated[
    str | None,
    typer.Option("--tokenizer", help="Folder or hub id of the tokenizer [default: the model's]"),
]
ConfigurationName = Annotated[
    str | None,
    typer.Option("--configuration-name", help="First part of the seed folders' names [default: the model's type]"),
]
Name = Annotated[str | None, typer.Option("--name", help="The study's name: studies/NAME.yaml is written")]
OutputDir = Annotated[Path | None, typer.Option("--output-dir", help="Folder of the results [default: runs/NAME]")]
LogDir = Annotated[Path | None, typer.Option("--log-dir", help="Folder of the Aim runs [default: logs]")]
BatchSizes = Annotated[str | None, typer.Option("--batch-sizes", metavar="LIST", help="For example 8,16,32")]
LearningRates = Annotated[str | None, typer.Option("--learning-rates", metavar="LIST", help="For example 1e-5,5e-5")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over train")]
SamplerName = Annotated[str | None, typer.Option("--sampler", help="grid, tpe or random")]
Seeds = Annotated[
    str | None,
    typer.Option("--seeds", metavar="LIST", help="Seeds of best-and-train, for example 1,2,3,4,5"),
]


def _pretraining(name: str) -> Any:
    """An option of `pretrain`, its help told where its default is."""
    return typer.Option(flag(name), help=option_helps()[name])


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nertune {nertune.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit")
    ] = False,
) -> None:
    """Find the best setting for fine-tuning an encoder on annotated text, and report it honestly over seeds."""


def _imports_ahead(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose workers begin to import before it is read which study they are for: a second earlier."""

    @wraps(command)
    def begun_ahead(*arguments: P.args, **options: P.kwargs) -> None:
        from nertune.execute.launch import launched_ahead

        with launched_ahead():
            command(*arguments, **options)

    return begun_ahead


@app.command()
@_imports_ahead
def search(
    study: Study = None,
    task: Task = None,
    data_dir: DataDir = None,
    model: Model = None,
    tokenizer: Tokenizer = None,
    configuration_name: ConfigurationName = None,
    name: Name = None,
    output_dir: OutputDir = None,
    log_dir: LogDir = None,
    batch_sizes: BatchSizes = None,
    learning_rates: LearningRates = None,
    epochs: Epochs = None,
    sampler: SamplerName = None,
    seeds: Seeds = None,
    edits: Edits = None,
    workers: Workers = None,
    trials: Trials = None,
    timeout: Timeout = None,
    retry_failed: RetryFailed = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Move what there is to NAME@1, NAME@2 … and begin anew; nothing is deleted")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="The same as check: look at everything, start nothing")
    ] = False,
    no_report: NoReport = False,
    as_json: AsJson = False,
    quiet: IsQuiet = False,
) -> None:
    """Run or continue the search of a study: which setting is best on dev."""
    from nertune.report.progress import open_progress

    progress = open_progress(quiet=quiet)
    form = _quick_form(locals())
    path = _study_path(study, form, trials=trials, timeout=timeout, say=progress.say)
    changes = [*(edits or ()), *_totals(trials=trials, timeout=timeout)]
    if dry_run:
        _check(path, changes, workers=workers, as_json=as_json, say=progress.say)
        return
    from nertune.report.folders import search_summary
    from nertune.report.results import search_json, show_search
    from nertune.results.outcomes import SearchOutcome
    from nertune.workflows.run_search import search as run_search

    def run(file: Path) -> SearchOutcome:
        return run_search(
            file,
            progress=open_progress(quiet=quiet),
            edits=changes,
            workers=workers,
            fresh=fresh,
            retry_failed=retry_failed,
            meanwhile=_import_report(is_wanted=not no_report),
        )

    def show(file: Path, outcome: SearchOutcome) -> None:
        show_search(outcome, then=_next_command(file, changes), again=_same_command())

    after = _report_after(changes, is_wanted=not no_report, say=progress.say)
    command = StudyCommand("Searches of", run=run, show=show, told=search_json, summary=search_summary, after=after)
    run_and_tell(path, command, as_json=as_json, say=progress.say)


@app.command()
@_imports_ahead
def best_and_train(
    study: Study = None,
    task: Task = None,
    data_dir: DataDir = None,
    model: Model = None,
    tokenizer: Tokenizer = None,
    configuration_name: ConfigurationName = None,
    name: Name = None,
    output_dir: OutputDir = None,
    log_dir: LogDir = None,
    batch_sizes: BatchSizes = None,
    learning_rates: LearningRates = None,
    epochs: Epochs = None,
    sampler: SamplerName = None,
    seeds: Seeds = None,
    edits: Edits = None,
    workers: Workers = None,
    trials: Trials = None,
    timeout: Timeout = None,
    retry_failed: RetryFailed = False,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Take the best setting so far, although the search is not finished")
    ] = False,
    no_report: NoReport = False,
    as_json: AsJson = False,
    quiet: IsQuiet = False,
) -> None:
    """Refit the best setting with every seed, score test once, write it all down."""
    from nertune.report.folders import final_summary
    from nertune.report.progress import open_progress
    from nertune.report.results import final_json, show_final
    from nertune.results.outcomes import FinalOutcome
    from nertune.workflows.run_best_and_train import best_and_train as run_best_and_train

    progress = open_progress(quiet=quiet)
    form = _quick_form(locals())
    path = _study_path(study, form, trials=trials, timeout=timeout, say=progress.say)
    changes = [*(edits or ()), *_totals(trials=trials, timeout=timeout)]

    def run(file: Path) -> FinalOutcome:
        return run_best_and_train(
            file,
            progress=open_progress(quiet=quiet),
            edits=changes,
            workers=workers,
            so_far=so_far,
            retry_failed=retry_failed,
            meanwhile=_import_report(is_wanted=not no_report),
        )

    command = StudyCommand(
        "Best settings of",
        run=run,
        show=lambda _, outcome: show_final(outcome),
        told=final_json,
        summary=final_summary,
        after=_report_after(changes, is_wanted=not no_report, say=progress.say),
    )
    run_and_tell(path, command, as_json=as_json, say=progress.say)


@app.command()
def report(study: StudyOrResults, edits: Edits = None, quiet: IsQuiet = False) -> None:
    """What a study found so far: one page with plots and tables, the same as Markdown, the plots as files."""
    from nertune.report.progress import open_progress
    from nertune.workflows.run_report import report as write_report

    page = write_report(study, edits=edits or [], tell=open_progress(quiet=quiet).say)
    typer.echo(shown_path(page))


@app.command()
@_imports_ahead
def check(
    study: StudyOrFolder, edits: Edits = None, workers: Workers = None, as_json: AsJson = False, quiet: IsQuiet = False
) -> None:
    """Everything that can be known without training: study, data, model, plan, time."""
    from nertune.report.progress import open_progress

    _check(study, edits or [], workers=workers, as_json=as_json, say=open_progress(quiet=quiet).say)


@app.command()
def best(
    study: NeededStudy,
    edits: Edits = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Show so many of the best settings")] = 1,
    as_json: AsJson = False,
) -> None:
    """The best setting of a search so far."""
    from nertune.report.results import search_json, show_best
    from nertune.workflows.run_best import best as find_best

    result = find_best(study, edits=edits or [])
    if as_json:
        print_json(search_json(result, top=top))
    else:
        show_best(result, top=top)


app.command()(status)
app.add_typer(runs_app, name="runs")
app.command()(import_config)


add_model_commands(app)


app.command()(compare)


@app.command()
def pretrain(
    corpus: Annotated[
        Path, typer.Option("--corpus", help="A text file, or a folder of *.txt: a sentence or paragraph a line")
    ],
    output_dir: Annotated[Path, typer.Option("--output-dir", help="Gets tokenizer/ and mlm/")],
    vocabulary_size: Annotated[int, _pretraining("vocabulary_size")] = PretrainOptions.vocabulary_size,
    lower_case: Annotated[bool, _pretraining("lower_case")] = PretrainOptions.lower_case,
    layers: Annotated[int, _pretraining("layers")] = PretrainOptions.layers,
    width: Annotated[int, _pretraining("width")] = PretrainOptions.width,
    heads: Annotated[int, _pretraining("heads")] = PretrainOptions.heads,
    intermediate: Annotated[int, _pretraining("intermediate")] = PretrainOptions.intermediate,
    max_pieces: Annotated[int, _pretraining("max_pieces")] = PretrainOptions.max_pieces,
    steps: Annotated[int, _pretraining("steps")] = PretrainOptions.steps,
    batch_size: Annotated[int, _pretraining("batch_size")] = PretrainOptions.batch_size,
    learning_rate: Annotated[float, _pretraining("learning_rate")] = PretrainOptions.learning_rate,
    mask_share: Annotated[float, _pretraining("mask_share")] = PretrainOptions.mask_share,
    dropout: Annotated[float, _pretraining("dropout")] = PretrainOptions.dropout,
    seed: Annotated[int, _pretraining("seed")] = PretrainOptions.seed,
    threads: Annotated[int, _pretraining("threads")] = PretrainOptions.threads,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Begin anew; what an earlier pretraining left there is kept under NAME@1, NAME@2 …"
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: IsQuiet = False,
) -> None:
    """A tokenizer and a small BERT from plain text, for languages and sites without a hub model."""
    given = locals()
    chosen = {option.name: given[option.name] for option in fields(PretrainOptions)}
    from nertune.workflows.run_pretrain import pretrain as run_pretrain

    say = _say_nothing if quiet else _say_step
    record = run_pretrain(corpus, output_dir=output_dir, options=PretrainOptions(**chosen), tell=say, fresh=fresh)
    if as_json:
        print_json(record.to_json())
    else:
        typer.echo(str(record))


@app.command()
def ui(
    study: Annotated[
        Path | None, typer.Argument(help="Study file whose runs to show; or name --log-dir", show_default=False)
    ] = None,
    log_dir: Annotated[Path | None, typer.Option("--log-dir", help="Folder of the Aim runs [default: logs]")] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on")] = 43800,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the Aim runs of the study's record anew first")
    ] = False,
    optuna: Annotated[
        bool, typer.Option("--optuna", help="The Optuna dashboard instead, over a copy of the study's trials")
    ] = False,
) -> None:
    """The Aim UI over the runs, on this machine only, until Ctrl-C."""
    from nertune.workflows.run_ui import ui as serve
    from nertune.workflows.run_ui import ui_of_optuna, ui_of_study

    if optuna:
        if study is None:
            raise UserError("--optuna needs to know whose trials", fix="nertune ui STUDY --optuna")
        if rebuild:
            raise UserError("--rebuild makes Aim runs, which --optuna does not show", fix="Leave one of them out")
        ui_of_optuna(study, host=host, port=port, say=typer.echo)
        return

    if study is not None:
        ui_of_study(study, host=host, port=port, is_rebuilt=rebuild, say=typer.echo)
        return
    if rebuild:
        raise UserError("--rebuild needs to know whose record", fix="nertune ui STUDY --rebuild")
    serve(log_dir or Path("logs"), host=host, port=port, say=typer.echo)


def _quick_form(options: dict[str, Any]) -> QuickForm:
    """The quick form's options out of a command's own."""
    from nertune.workflows.quick import QuickForm

    lists = {"batch_sizes": int, "learning_rates": float, "seeds": int}
    given = {option.name: options[option.name] for option in fields(QuickForm)}
    return QuickForm(**{**given, **{name: _numbers(given[name], name, kind) for name, kind in lists.items()}})


def _numbers(text: str | None, name: str, kind: Callable[[str], Any]) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in (text or "").replace(",", " ").split())
    except ValueError:
        flag = "--" + name.replace("_", "-")
        raise UserError(
            f"{flag} {text} is not a list of numbers", fix=f"Write for example: {flag} {LIST_EXAMPLES[name]}"
        ) from None


LIST_EXAMPLES = {"batch_sizes": "8,16,32", "learning_rates": "1e-5,5e-5", "seeds": "1,2,3,4,5"}


def _study_path(
    study: Path | None, form: QuickForm, *, trials: int | None, timeout: str | None, say: Callable[[str], None]
) -> Path:
    """The study file that was named, or the one that the quick form stands for."""
    from nertune.workflows.quick import study_of_quick_form

    if study is not None:
        if form.is_given:
            raise UserError(
                "a study file and options of the quick form were given together",
                fix="Use --set KEY=VALUE to edit the study",
            )
        return study
    if not form.is_given:
        raise UserError(
            "no study file was named",
            fix="nertune search studies/MINE.yaml, or see nertune search --help for the quick form",
        )
    path, is_new = study_of_quick_form(form, trials=trials, timeout=timeout)
    say(f"{'Wrote' if is_new else 'Using'} {path}, the study file of these options")
    return path


def _report_after(changes: list[str], *, is_wanted: bool, say: Callable[[str], None]) -> Callable[[Path], None]:
    """What writes a study's report once its result was told."""

    def write(study: Path) -> None:
        from nertune.workflows.run_report import report_at_end

        report_at_end(study, edits=changes, tell=say)

    return write if is_wanted else lambda _: None


def _import_report(*, is_wanted: bool) -> Iterator[object]:
    """What the report at the end needs, while workers import what they need: two seconds less at the end."""
    from nertune.workflows.run_report import import_libraries

    if is_wanted:
        yield from import_libraries()


def _totals(*, trials: int | None, timeout: str | None) -> list[str]:
    """--trials and --timeout as edits of the study."""
    pairs = {"search.trials": trials, "search.timeout": timeout}
    return [f"{key}={value}" for key, value in pairs.items() if value is not None]


def _check(path: Path, edits: list[str], *, workers: int | None, as_json: bool, say: Callable[[str], None]) -> None:
    from nertune.report.folders import check_summary
    from nertune.report.results import show_check
    from nertune.workflows.run_check import check as run_check

    def run(file: Path) -> dict[str, Any]:
        return run_check(file, tell=say, edits=edits, workers=workers).to_json()

    command = StudyCommand(
        "Check of", run=run, show=lambda _, told: show_check(told), told=lambda told: told, summary=check_summary
    )
    run_and_tell(path, command, as_json=as_json, say=say)


def _say_step(message: str | dict[str, Any]) -> None:
    """A message of a pretraining, or the numbers of one of its steps."""
    if isinstance(message, str):
        typer.echo(message, err=True)
    else:
        typer.echo("  ".join(f"{name} {_short(value)}" for name, value in message.items()), err=True)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _say_nothing(message: str | dict[str, Any]) -> None:
    del message


def _next_command(study: Path, edits: list[str]) -> str:
    """best-and-train of the same study, with the same edits: without them it would be another study."""
    return shlex.join(["nertune", "best-and-train", str(study), *(word for edit in edits for word in ("--set", edit))])


def _same_command() -> str:
    return shlex.join(["nertune", *sys.argv[1:]])


def main() -> None:
    """The program: a command, its messages, its exit code."""
    _show_what_can_be_shown()
    try:
        with stopped_by_signals("what was finished is saved" if _keeps_state() else None):
            app()
    except (InterruptedByUserError, StoppedError) as error:
        _fail(error, last=f"Continue with: {_same_command()}")
    except NertuneError as error:
        _fail(error, last=_as_option(error, words=sys.argv[1:]))
    except OSError as error:
        if _nobody_reads(error):
            _fall_silent()
        elif told := refused_by_system(error):
            _fail(told)
        else:
            raise
    except SystemExit as end:
        if end.code == InterruptedByUserError.exit_code:  # Ctrl-C while nobody waited for it; typer says nothing
            last = f"Continue with: {_same_command()}" if _keeps_state() else None
            _fail(InterruptedByUserError("Interrupted"), last=last)
        raise
    finally:
        gc.freeze()  # the interpreter would look through all that was imported once more: half a second of a report


def _keeps_state() -> bool:
    """Whether the command goes on, when it is given again, where it was stopped."""
    return sys.argv[1:2] in (["search"], ["best-and-train"])


def _show_what_can_be_shown() -> None:
    """A terminal that knows no ± gets a question mark instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _as_option(error: NertuneError, *, words: list[str]) -> str | None:
    """How to type what a message says in the words of a study file, where a command of data is used without one."""
    has_study = any(word.endswith((".yaml", ".yml")) for word in words)
    if words[:1] not in (["data"], ["predict"], ["evaluate"]) or has_study or "data: {" not in str(error):
        return None
    return "Here, without a study file, data: {KEY: VALUE} is typed so: --set data.KEY=VALUE"


def _fail(error: NertuneError, *, last: str | None = None) -> None:
    """The error's message on standard error, and its exit code; the process is left without waiting for anything."""
    from nertune.report.text import safe_text

    try:
        for line in str(error).splitlines():
            typer.echo(safe_text(line), err=True)
        if last:
            typer.echo(last, err=True)
        sys.stdout.flush()
    except OSError:
        _fall_silent()
    sys.exit(error.exit_code)


def _nobody_reads(error: OSError) -> bool:
    """Whether it is no fault: `nertune best STUDY | head -1` has seen enough, or the terminal was closed."""
    return error.errno == errno.EPIPE or (error.errno == errno.EIO and (_is_hung_up(1) or _is_hung_up(2)))


def _is_hung_up(descriptor: int) -> bool:
    try:
        termios.tcgetattr(descriptor)
    except termios.error as problem:
        return bool(problem.args[0] == errno.EIO)  # a file or pipe says ENOTTY
    return False


def _fall_silent() -> None:
    """Write to nobody: else Python complains at its end, with an exit code of its own."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nothing, stream.fileno())
