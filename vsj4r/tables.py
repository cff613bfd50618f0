"""Tables that people write, in TOML and JSON: read with the line of each key, checked against a declaration.

A declaration is a dataclass whose annotations carry the rules: pydantic's `Field`, whose description
overrides the words for its limits, and `rule`, `choice` and `convert_with` below.
`__pydantic_config__ = EXACT` refuses unknown keys. What is wrong is told as "NAME must be RULE, got VALUE",
every mistake at once, each with the key that it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_origin, get_type_hints

import tomli
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Strict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from vsj4r.errors import Vsj4rError
from vsj4r.short_text import read_short_text

Key = tuple[str | int, ...]
"""``("job", 1, "model")`` is ``model`` in the second ``[[job]]``."""

EXACT = ConfigDict(extra="forbid")

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
"""An integer will do."""
Flag = Annotated[bool, Strict()]

_LARGEST_INTEGER = (1 << 63) - 1  # of TOML
_RULE, _SAID = "rule", "said"

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # strings first: nothing inside them counts
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[][{}=,.\n]"
    r"|[^][{}=,.\n\"'#\s]+",
    re.DOTALL,
)


class Mistake(NamedTuple):
    """``key``: where in the table; () is the table itself."""

    key: Key
    text: str


class MistakesError(Vsj4rError):
    """A table does not hold what it is declared to hold. ``mistakes``: all of them, at least one."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        super().__init__(mistakes[0].text + more)
        self.mistakes = mistakes


class Lines:
    """Where the keys of a TOML text are, which tomli does not tell. ``text`` must be valid."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        table: Key = ()
        arrays: dict[Key, int] = {}
        for line, kind, names in _statements(text):
            if kind == "=":
                for end in range(1, len(names) + 1):
                    self._lines.setdefault((*table, *names[:end]), line)
                continue
            table = ()
            for depth, name in enumerate(names, 1):
                table = (*table, name)
                if kind == "[[" and depth == len(names):
                    arrays[table] = arrays.get(table, -1) + 1
                if table in arrays:
                    table = (*table, arrays[table])
                self._lines.setdefault(table, line)

    def of(self, key: Key) -> int:
        """The line of ``key``, or of the nearest table around it; 1 where nothing is known."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)


def read_toml(path: Path) -> tuple[dict[str, Any], Lines]:
    """The tables of ``path``, and where they are. A byte order mark is passed over.

    Raises:
        Vsj4rError: no such file, or not TOML; with file and line.
    """
    try:
        text = read_short_text(path).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Vsj4rError(f"{path} is not TOML: it is no UTF-8 text") from error
    except OSError as error:
        raise Vsj4rError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return tomli.loads(text), Lines(text)
    except RecursionError:
        raise Vsj4rError(f"{path} is nested too deeply") from None
    except tomli.TOMLDecodeError as error:
        what = f"{error.msg} in column {error.colno}: the file is not TOML"
        raise Vsj4rError(f"{path}:{error.lineno}: {what}") from error
    except ValueError as error:  # a number of thousands of digits
        raise Vsj4rError(f"{path} is not TOML: {error}") from error


def parse_table[T](kind: type[T], table: Mapping[str, Any], *, title: str = "") -> T:
    """``table`` as a ``kind``, a dataclass; ``title`` is its name in the file.

    An integer is taken for a float, nothing else for what it is not.

    Raises:
        MistakesError: in the order of the declaration.
    """
    if mistakes := list(_too_large(table, ())):
        raise MistakesError(mistakes)
    try:
        checked: T = _adapter(cast(Any, kind)).validate_python(dict(table))
    except ValidationError as error:
        raise MistakesError(
            [_mistake(kind, title, each) for each in error.errors(include_url=False)]
        ) from None
    return checked


def parse_leniently[T](
    kind: type[T], table: Mapping[str, Any], *, title: str = ""
) -> tuple[T, list[Mistake]]:
    """What of ``table`` is right, as a ``kind`` whose fields all have defaults, and all that is wrong."""
    try:
        return parse_table(kind, table, title=title), []
    except MistakesError as error:
        wrong = {mistake.key[0] for mistake in error.mistakes}
        return parse_table(kind, {name: table[name] for name in table if name not in wrong}), error.mistakes


def rule(text: str, holds: Callable[[Any], object]) -> AfterValidator:
    """Of a value of the declared type of which ``holds`` is false: NAME must be ``text``, got VALUE."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise PydanticCustomError(_RULE, "{rule}", {"rule": text})
        return value

    return AfterValidator(check)


Text = Annotated[str, Strict(), rule("a text without zero bytes", lambda text: "\0" not in text)]


@dataclass(frozen=True)
class _Choice(BeforeValidator):
    description: str = ""


def choice(names: Iterable[str]) -> BeforeValidator:
    """One of ``names``; a whole number is read as its digits."""
    known = tuple(names)
    text = f"one of {', '.join(known)}"

    def check(value: Any) -> Any:
        name = str(value) if isinstance(value, int) else value
        if name not in known:
            raise PydanticCustomError(_RULE, "{rule}", {"rule": text})
        return name

    return _Choice(check, description=text)


def convert_with(convert: Callable[[Any], Any]) -> BeforeValidator:
    """What ``convert`` makes of a value; the text of its Vsj4rError is the whole mistake."""

    def check(value: Any) -> Any:
        try:
            return convert(value)
        except Vsj4rError as error:
            raise PydanticCustomError(_SAID, "{text}", {"text": str(error)}) from error

    return BeforeValidator(check)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _too_large(value: object, key: Key) -> Iterator[Mistake]:
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        named = next((part for part in reversed(key) if isinstance(part, str)), "a number")
        yield Mistake(key, f"{named} must be less than 2**63")
    elif isinstance(value, Mapping | list):
        for name, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _too_large(each, (*key, name))


def _mistake(kind: type[Any], title: str, error: Any) -> Mistake:
    key: Key = error["loc"]
    context, got = error.get("ctx", {}), error["input"]
    table, name = _owner(kind, key)
    match error["type"]:
        case "said":
            return Mistake(key, context["text"])
        case "value_error":  # of a dataclass, by its __post_init__
            return Mistake(key, f"{_title_of(key)}{context['error']}")
        case "unexpected_keyword_argument" | "extra_forbidden":
            inside = f" in [{key[-2] if len(key) > 1 else title}]" if len(key) > 1 or title else ""
            known = ", ".join(each.name for each in fields(table))
            return Mistake(key, f"unknown key {key[-1]!r}{inside}; known keys: {known}")
        case "dataclass_type" | "dict_type" | "dataclass_exact_type":
            return Mistake(key, f"{_title_of(key)}must be a table, got {got!r}")
        case "string_unicode" if not name:  # JSON may hold half a character in a key
            return Mistake(key, f"a key must be text, got {got!r}")
        case "missing":
            got = None
    return Mistake(key, f"{name} must be {_rule_of(table, name, error['type'], context)}, got {got!r}")


def _title_of(key: Key) -> str:
    names = [name for name in key if isinstance(name, str)]
    return f"[{names[-1]}] " if names else ""


def _owner(kind: Any, key: Key) -> tuple[Any, str]:
    """The dataclass that declares the field at ``key``, and the field's name."""
    for name in key[:-1]:
        within = get_type_hints(kind).get(str(name)) if is_dataclass(kind) else None
        if not is_dataclass(within):
            return kind, str(name)  # somewhere inside a list or a table of that field
        kind = within
    return kind, str(key[-1]) if key else ""


def _rule_of(table: Any, name: str, kind: str, context: Mapping[str, Any]) -> str:
    if kind == _RULE:
        return str(context["rule"])
    if described := _description(get_type_hints(table, include_extras=True)[name]):
        return described
    plain = get_type_hints(table)[name]
    match kind:
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "greater_than":
            return f"more than {context['gt']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "finite_number":
            return "finite"
    if get_origin(plain) is Literal:
        return f"one of {', '.join(map(str, get_args(plain)))}"
    return f"of type {getattr(plain, '__name__', plain)}"


def _description(annotation: Any) -> str:
    """That of a ``Field`` in it, "" without any."""
    for each in get_args(annotation):
        if found := getattr(each, "description", None) or _description(each):
            return str(found)
    return ""


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """(line, "=", names of a key) and (line, "[" or "[[", names of a table), in order."""
    line, depth, start = 1, 0, True
    header, names = "", list[str]()
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "\n" and not depth:
            start, header, names = True, "", []
        elif token.startswith("#"):
            pass
        elif depth:
            depth += (token in "[{") - (token in "]}")
        elif start and token == "[":
            header += "["
        elif start and header and token == "]":
            start = False
            yield line, header, names
        elif start and not header and token == "=":
            start = False
            yield line, "=", names
        elif start and token != ".":
            names.append(_unquote(token))
        elif not start and token in ("[", "{"):
            depth = 1
        line += token.count("\n")


def _unquote(token: str) -> str:
    return str(next(iter(tomli.loads(f"{token} = 0")))) if token[0] in "\"'" else token
