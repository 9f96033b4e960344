"""A study in the making out of an old file, and what became of each of the file's keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from nertune.errors import StudyFileError, UserError
from nertune.spec.legacy.old_file import OldFile, flat_keys
from nertune.spec.legacy.values import as_it_is, text, truth
from nertune.spec.study import StudySpec, sections
from nertune.spec.yaml_lines import KeyPath

Fate = Literal["kept", "renamed", "meaningless", "unknown", "added"]
Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class KeyRecord:
    """What became of one key.

    key     dotted, as the old file has it; empty for what it does not say
    value   as the old file has it
    fate    `kept`: same name and value; `renamed`: another name or value; `meaningless`: left out for a reason;
            `unknown`: left out, no such key is known; `added`: in the study, not in the file
    became  dotted keys of the study with their values
    note    the reason, or what else there is to know; may be empty
    """

    key: str
    value: Any
    fate: Fate
    became: Mapping[str, Any]
    note: str = ""


@dataclass
class Ledger:
    """The keys of one experiment, settled one after another.

    title      what the old file calls the experiment
    at         where in the file it stands
    subfolder  of a folder with data for many experiments
    """

    old: OldFile
    title: str
    at: KeyPath = ()
    subfolder: Path | None = None
    study: dict[str, Any] = field(default_factory=dict)
    records: list[KeyRecord] = field(default_factory=list)
    problems: list[UserError] = field(default_factory=list)

    def __post_init__(self) -> None:
        values = self.old.values
        for part in self.at:
            values = values[part]
        self._left = {key: (path, value) for key, (path, value) in flat_keys(values).items()}
        self._paths = {key: (*self.at, *path) for key, (path, _) in self._left.items()}

    def left(self) -> list[str]:
        """The keys that nothing has become of yet, in the order of the file."""
        return [*self._left]

    def value(self, key: str) -> Any:
        """What the file has at a key that is not settled; None for nothing."""
        return self._left.get(key, ((), None))[1]

    def read(self, key: str, convert: Convert) -> Any:
        """The converted value of a key, None where it is missing, empty or wrong: a fault is kept and told."""
        if self.value(key) is None:
            return None
        try:
            return convert(self.value(key))
        except ValueError as error:
            self.fault(key, str(error))
            return None

    def become(self, key: str, study: Mapping[str, Any], *, note: str = "") -> None:
        """Settle a key: what it says goes to these keys of the study."""
        value = self._take(key)
        names = {name.rpartition(".")[2] for name in study}
        is_same = names == {key.rpartition(".")[2].casefold()} and [*study.values()] == [value]
        self.records.append(KeyRecord(key, value, "kept" if is_same else "renamed", study, note))
        self.study |= study

    def drop(self, key: str, reason: str) -> None:
        """Settle a key that has no meaning here."""
        self.records.append(KeyRecord(key, self._take(key), "meaningless", {}, reason))

    def add(self, name: str, value: Any, note: str) -> None:
        """Put something into the study that the file does not say, unless it is there."""
        if name not in self.study:
            self.study[name] = value
            self.records.append(KeyRecord("", None, "added", {name: value}, note))

    def fault(self, key: str, expected: str, *, fix: str | None = None) -> None:
        """Keep what is wrong with the value of a key, and settle it."""
        where = self.old.where(self._paths.get(key, self.at))
        shown = repr(self._take(key))
        self.problems.append(StudyFileError(f"{key} is {shown[:60]}; {expected}", where=where, fix=fix))

    def refuse(self, message: str, *, fix: str | None = None) -> None:
        """Keep what is wrong with the whole experiment."""
        self.problems.append(StudyFileError(message, where=self.old.where(self.at), fix=fix))

    def replace(self, names: Sequence[str], *, reason: str) -> None:
        """Take keys of the study back; what they came from has no meaning here, for this reason."""
        for name in names:
            self.study.pop(name, None)
        self.records = [
            KeyRecord(one.key, one.value, "meaningless", {}, reason) if {*one.became} & {*names} else one
            for one in self.records
            if one.key or not {*one.became} & {*names}
        ]

    def close(self) -> list[UserError]:
        """Name the keys that are left as not known; every fault, those of values that a study cannot have included."""
        for key in self.left():
            self.records.append(KeyRecord(key, self._take(key), "unknown", {}))
        order = {key: number for number, key in enumerate(self._paths)}
        self.records.sort(key=lambda record: order.get(record.key, len(order)))
        return self.problems or self._refused_values()

    def _take(self, key: str) -> Any:
        return self._left.pop(key, ((), None))[1]

    def _refused_values(self) -> list[UserError]:
        try:
            StudySpec.model_validate(as_text({**tree_of(self.study), "name": "any", "output": "any"}))
        except ValidationError as error:
            return [self._refused(problem) for problem in error.errors()]
        return []

    def _refused(self, problem: Any) -> UserError:
        """What the schema says of a value, in the words of the old file."""
        name = ".".join(map(str, problem["loc"]))
        source = next((record.key for record in self.records if any(_covers(key, name) for key in record.became)), "")
        message = f"{source or self.title} becomes {name}: {problem['input']!r}"[:120]
        what = problem["msg"].replace("Input should", "should").replace("Value error, ", "")
        return StudyFileError(f"{message}, but it {what}", where=self.old.where(self._paths.get(source, self.at)))


def _covers(key: str, name: str) -> bool:
    return name == key or name.startswith(f"{key}.") or key.startswith(f"{name}.")


# ---- rules: what becomes of a key wherever it stands

Rule = Callable[[Ledger, str], None]


def to(name: str, convert: Convert = as_it_is, *, note: str = "") -> Rule:
    """The value goes to this key of the study."""

    def settle(ledger: Ledger, key: str) -> None:
        value = ledger.read(key, convert)
        if value is not None:
            ledger.become(key, {name: value}, note=note)

    return settle


def to_file(name: str) -> Rule:
    """The path goes to this key of the study."""

    def settle(ledger: Ledger, key: str) -> None:
        written = ledger.read(key, text)
        if written is not None:
            ledger.become(key, {name: ledger.old.find(written)})

    return settle


def to_model(name: str) -> Rule:
    """The name of a model goes to this key of the study: a folder as a path, a hub id as it stands."""

    def settle(ledger: Ledger, key: str) -> None:
        written = ledger.read(key, text)
        if written is not None:
            ledger.become(key, {name: ledger.old.find_model(written)})

    return settle


def to_precision(ledger: Ledger, key: str) -> None:
    """Whether mixed precision was wanted."""
    wanted = ledger.read(key, truth)
    if wanted is not None:
        note = "whichever of bf16 and fp32 is faster" if wanted else ""
        ledger.become(key, {"train.precision": "auto" if wanted else "fp32"}, note=note)


def to_betas(ledger: Ledger, key: str) -> None:
    """A pair of numbers: AdamW's decay of both moments."""
    betas = ledger.value(key)
    if isinstance(betas, list) and len(betas) == 2:
        ledger.become(key, {"train.beta1": betas[0], "train.beta2": betas[1]})
    else:
        ledger.fault(key, "two numbers are needed")


def nothing(reason: str) -> Rule:
    """The key has no meaning here."""
    return lambda ledger, key: ledger.drop(key, reason)


def settle_all(ledger: Ledger, rules: Mapping[str, Rule], *, prefix: str = "") -> None:
    """Settle every key that has a rule, by its name below the prefix or by `part.*` for all below a part.

    A key without a value says nothing, whatever its rule.
    """
    for key in ledger.left():
        if not key.startswith(prefix):
            continue
        rule = _rule_for(key.removeprefix(prefix), rules)
        if rule is not None and ledger.value(key) is None:
            ledger.drop(key, "it has no value")
        elif rule is not None:
            rule(ledger, key)


def _rule_for(key: str, rules: Mapping[str, Rule]) -> Rule | None:
    if key in rules:
        return rules[key]
    parts = key.split(".")
    above = (".".join(parts[:number]) + ".*" for number in range(len(parts) - 1, 0, -1))
    return next((rules[pattern] for pattern in above if pattern in rules), None)


# ---- the study


def tree_of(study: Mapping[str, Any]) -> dict[str, Any]:
    """Flat keys as a study file has them: nested, in the order of the schema; numbers are places in a list."""
    tree: dict[str, Any] = {}
    for key in sorted(study, key=_place_in_schema):
        *parents, last = key.split(".")
        holder: Any = tree
        for part, below in zip(parents, [*parents, last][1:], strict=True):
            holder = _inside(holder, part, [] if below.isdecimal() else {})
        holder[last] = study[key]
    return tree


def as_text(value: Any, shown: Callable[[Path], str] = str) -> Any:
    """A value of a study with its paths as text."""
    if isinstance(value, dict):
        return {name: as_text(below, shown) for name, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_text(item, shown) for item in value]
    return shown(value) if isinstance(value, Path) else value


def _inside(holder: Any, part: str, empty: Any) -> Any:
    """What stands at a part of a mapping or list, made if it is not there; places of a list come in their order."""
    if isinstance(holder, dict):
        return holder.setdefault(part, empty)
    if int(part) == len(holder):
        holder.append(empty)
    return holder[int(part)]


def _place_in_schema(key: str) -> tuple[int, ...]:
    first, _, rest = key.partition(".")
    number = rest.partition(".")[0]
    top = [*StudySpec.model_fields].index(first)
    if first == "stages":
        return top, int(number)
    known = [*sections()[first].model_fields] if first in sections() else [rest]
    return top, known.index(number)
