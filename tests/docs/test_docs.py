"""README and docs agree with the code: commands, keys, links and snippets."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from make_cli import command_of, command_words, help_text, make_page

from nertune.data.readers import READERS
from nertune.search.sampler import make_sampler
from nertune.spec.load import load_study
from nertune.spec.study import StudySpec, sections
from nertune.workflows.run_data_check import check

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block that shows a file: ```text FORMAT/EXAMPLE/FILE and options of `nertune data check`, or FORMAT/FILE beside it
SHOWN_FILE = re.compile(r"^```text (\S+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEY = re.compile(rf"`({'|'.join(sections())})\.([a-z_0-9]+)(?=[`:.= ])")
NOT_KEYS = {"model.safetensors"}


def blocks(language: str) -> list[Any]:
    """Every fenced block of a language, named by page and place."""
    return [
        pytest.param(code, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, (name, code) in enumerate(FENCE.findall(text(page)))
        if name == language
    ]


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def typed_commands(page: Path) -> Iterator[list[str]]:
    """What follows `$ nertune` in the blocks of a page, and `nertune` in its sentences."""
    for _, code in FENCE.findall(text(page)):
        for line in re.findall(r"^\$ (?:[A-Z_]+=\S+ )?nertune (.*)", code.replace("\\\n", " "), re.MULTILINE):
            yield [*takewhile(lambda word: word != "|", shlex.split(line, comments=True))]
    for inline in re.findall(r"`nertune ([^`]*\s[^`]*)`", FENCE.sub("", text(page))):
        words = shlex.split(inline)
        if len(words) > len(command_name(words)):  # else a command is named, not typed
            yield words


def command_name(words: list[str]) -> tuple[str, ...]:
    """The words that are the command's name: `search`, `data check`; of `runs` those that are no options."""
    return max((name for name in command_words() if name == tuple(words[: len(name)])), key=len)


def shown_files() -> dict[str, dict[str, str]]:
    """The files that the page on data shows: example (`conll/news`) -> path -> content."""
    examples: dict[str, dict[str, str]] = {}
    for path, _, content in SHOWN_FILE.findall(text(DOCS / "data.md")):
        examples.setdefault(path.rpartition("/")[0] if path.count("/") > 1 else path.partition(".")[0], {})[path] = (
            content
        )
    return examples


def shown_options(example: str) -> list[str]:
    """The `KEY=VALUE` of the options that stand beside an example's files."""
    found = [
        shlex.split(info)
        for path, info, _ in SHOWN_FILE.findall(text(DOCS / "data.md"))
        if path.startswith(f"{example}/")
    ]
    return [word for words in found for word in words if word != "--set"]


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_cli_page_is_what_the_command_line_says() -> None:
    assert text(DOCS / "cli.md") == make_page(), "python tests/docs/make_cli.py > docs/cli.md"


@pytest.mark.parametrize("words", command_words(), ids=" ".join)
def test_every_option_has_a_help_and_stands_in_the_manual(words: tuple[str, ...]) -> None:
    name, command = " ".join(words), command_of(words)
    options = [option for option in command.params if option.param_type_name == "option" and option.name != "help"]
    assert options
    for option in options:
        assert option.help, f"{name} {option.opts[0]} has no help"
        assert option.opts[0] in help_text(*words)
    assert f"## nertune {name}" in text(DOCS / "cli.md")


def test_all_commands_on_the_pages_are_understood() -> None:
    typed = [words for page in PAGES for words in typed_commands(page) if "--help" not in words]
    assert len(typed) > 10
    for words in typed:
        name = command_name(words)
        context = command_of(name).make_context(name[-1], words[len(name) :])  # raises what the command line would say
        assert context is not None


def test_readme_names_make_targets_that_there_are() -> None:
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text(ROOT / "README.md"), re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text(page))):
        path, _, anchor = link.partition("#")
        if not re.match(r"https?:", link):
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in headings(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_keys_on_the_pages_are_keys_of_a_study_file(page: Path) -> None:
    known = {f"{name}.{field}" for name, section in sections().items() for field in section.model_fields}
    assert {f"{section}.{name}" for section, name in KEY.findall(text(page))} <= known | NOT_KEYS


def test_study_file_page_has_every_key() -> None:
    page = text(DOCS / "study-file.md")
    known = {f"{name}.{field}" for name, section in sections().items() for field in section.model_fields}
    missing = [key for key in known | (StudySpec.model_fields.keys() - sections().keys()) if f"`{key}`" not in page]
    assert not missing


@pytest.mark.parametrize("example", shown_files())
def test_files_on_the_page_are_read_as_they_stand(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, content in shown_files()[example].items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content, encoding="utf-8")
    checked = check([Path(example)], edits=shown_options(example), tell=print)
    assert checked.summary.format == example.partition("/")[0]
    assert any(any(split.labels.values()) for split in checked.summary.splits)
    assert not checked.has_failed(strict=False)


def test_every_format_that_is_read_is_shown() -> None:
    assert {example.partition("/")[0] for example in shown_files()} == READERS.keys() - {"datasets"}  # a folder


@pytest.mark.parametrize("code", blocks("yaml"))
def test_study_snippets_load(code: str, tmp_path: Path) -> None:
    assert code.startswith("# study\n")
    path = tmp_path / "news.yaml"
    path.write_text(code, encoding="utf-8")
    assert make_sampler(load_study(path)).next_point([]) is not None


@pytest.mark.parametrize("code", blocks("python"))
def test_python_snippets_call_what_there_is(code: str) -> None:
    tree = ast.parse(code)
    names = [
        (node.module, alias.name) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    known = {name: getattr(importlib.import_module(str(module)), name) for module, name in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known:
            keywords = {str(keyword.arg): None for keyword in node.keywords}
            inspect.signature(known[node.func.id]).bind(*node.args, **keywords)


@pytest.mark.parametrize("code", [block for block in blocks("python") if block.values[0].startswith("# runs: ")])
def test_transformers_snippets_run_on_a_saved_model(code: str, bert_folder: Path, tmp_path: Path) -> None:
    from transformers import (
        AutoConfig,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    is_token = code.startswith("# runs: token")
    auto = AutoModelForTokenClassification if is_token else AutoModelForSequenceClassification
    labels = {0: "B-PER", 1: "I-PER", 2: "O"} if is_token else {0: "bad", 1: "good"}
    auto.from_config(AutoConfig.from_pretrained(bert_folder, id2label=labels)).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert_folder).save_pretrained(tmp_path)
    code, changed = re.subn(r'^folder = ".*"$', f"folder = {str(tmp_path)!r}", code, flags=re.MULTILINE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet", "exec"), {})
    given = ast.literal_eval(printed.getvalue())
    tags = [tag for _, tag in given] if is_token else given
    assert changed == 1
    assert len(tags) == (9 if is_token else 2)
    assert set(tags) <= set(labels.values())


@pytest.mark.parametrize("code", [block for block in blocks("python") if block.values[0].startswith("# loads: ")])
def test_snippets_that_load_a_model_of_ours_run(code: str, bert_folder: Path, tmp_path: Path) -> None:
    from nertune.models.build import build_model, load_base
    from nertune.models.tokenizers import load_tokenizer
    from nertune.spec.study import ModelSpec
    from nertune.train.checkpoints import save_model

    tags = ("B-PER", "I-PER", "O")
    base = load_base(ModelSpec(base=str(bert_folder), crf=True), task="token", labels=tags)
    tokenizer = load_tokenizer(str(bert_folder), task="token")
    save_model(build_model(base, seed=1), tokenizer=tokenizer, folder=tmp_path)
    code, changed = re.subn(r'^folder = ".*"$', f"folder = {str(tmp_path)!r}", code, flags=re.MULTILINE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "snippet", "exec"), {})
    assert changed == 1
    assert ast.literal_eval(printed.getvalue()) == list(tags)
