"""Writes what is made of vsj4r/plugin/signature.py: python -m scripts.signature

The header of the C, the signature and documentation of `vsj4r.derain`, and the arguments in
docs/use/filter.md. A test holds all three to it.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from vsj4r.plugin.signature import ARGUMENTS, OUTPUTS, Argument

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "vsj4r" / "plugin" / "signature.h"
FUNCTION = ROOT / "vsj4r" / "plugin" / "function.py"
PAGE = ROOT / "docs" / "use" / "filter.md"
BY = "written by scripts/signature.py"
MARKS = {
    FUNCTION: (f"# {BY}\n", "    # as far as here\n"),
    PAGE: (f"<!-- {BY} -->\n", "<!-- as far as here -->\n"),
}
_CODE_COLUMNS, _PAGE_COLUMNS = 110, 100
_LISTS = {"int[]", "data[]"}


def header() -> str:
    """The whole of ``HEADER``."""
    arguments = "".join(f'    "{_native(argument)}" \\\n' for argument in ARGUMENTS)
    outputs = "".join(
        f'    {{"{each.name}", "{each.property}", {str(each.is_map).lower()}}}, \\\n' for each in OUTPUTS
    )
    return f"""/* What core.j4r.Derain takes and gives: {BY}. */
#ifndef VSJ4R_SIGNATURE_H
#define VSJ4R_SIGNATURE_H

#define DERAIN_ARGUMENTS \\
{arguments.removesuffix(f" {chr(92)}{chr(10)}")}

enum {{ OUTPUTS_MAX = {len(OUTPUTS)} }};

/* Name, the property under which it rides, and whether it is a map: GRAY of full range. */
#define OUTPUT_KINDS {{ \\
{outputs.removesuffix(f", {chr(92)}{chr(10)}")}}}

#endif
"""


def function() -> str:
    """What stands between the marks of ``FUNCTION``."""
    single = _overload({"output": "OutputName"}, "vs.VideoNode", required=())
    several = _overload({"output": "Sequence[OutputName]"}, "tuple[vs.VideoNode, ...]", required=("output",))
    both = "vs.VideoNode | tuple[vs.VideoNode, ...]"
    parameters = "".join(f"    {_parameter(each, _default(each))},\n" for each in ARGUMENTS[1:])
    names = ", ".join(f'"{each.name}"' for each in OUTPUTS)
    return f"""OutputName = Literal[{names}]


{single}

{several}

def derain(
    clip: vs.VideoNode,
    *,
{parameters}) -> {both}:
    \"\"\"Take the rain out of ``clip``.

    Args:
{_documented()}

    Raises:
        vapoursynth.Error: ``Derain: <what> must be <rule>, got <value>``.
        Vsj4rError: the filter is not installed.
    \"\"\"
"""


def page() -> str:
    """What stands between the marks of ``PAGE``."""
    words = [f"{_type(each)} {each.name}{_shown_default(each)}" for each in ARGUMENTS[1:]]
    call = textwrap.fill(
        f"core.j4r.Derain(vnode clip[, {', '.join(words)}])",
        _PAGE_COLUMNS,
        initial_indent="    ",
        subsequent_indent=" " * 20,
        break_long_words=False,
    )
    items = [
        textwrap.fill(
            f"- `{each.name}`: {each.text}", _PAGE_COLUMNS, subsequent_indent="  ", break_on_hyphens=False
        )
        for each in ARGUMENTS
    ]
    return f"\n{call}\n\n" + "\n".join(items) + "\n\n"


def between(file: Path, text: str) -> str:
    """``file`` with ``text`` between its marks."""
    begin, end = MARKS[file]
    before, _, rest = file.read_text("utf-8").partition(begin)
    return before + begin + text + end + rest.partition(end)[2]


def generate_files() -> dict[Path, str]:
    """Every file, as it ought to be."""
    return {HEADER: header(), FUNCTION: between(FUNCTION, function()), PAGE: between(PAGE, page())}


def _native(argument: Argument) -> str:
    options = "" if argument.name == "clip" else ":opt"
    options += ":empty" if argument.name == "scenes" else ""
    return f"{argument.name}:{argument.kind.native}{options};"


def _overload(types: dict[str, str], result: str, *, required: tuple[str, ...]) -> str:
    parameters = "".join(
        f"    {_parameter(each, '' if each.name in required else '...', types.get(each.name))},\n"
        for each in ARGUMENTS[1:]
    )
    return f"@overload\ndef derain(\n    clip: vs.VideoNode,\n    *,\n{parameters}) -> {result}: ...\n"


def _parameter(argument: Argument, default: str, kind: str | None = None) -> str:
    kind = kind or argument.kind.python
    optional = " | None" if argument.default is None else ""
    return f"{argument.name}: {kind}{optional}" + (f" = {default}" if default else "")


def _default(argument: Argument) -> str:
    value = argument.default
    return f'"{value}"' if isinstance(value, str) else str(value)


def _documented() -> str:
    return "\n".join(
        textwrap.fill(
            f"{each.name}: {re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', each.text)}",
            _CODE_COLUMNS,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
            break_on_hyphens=False,
        )
        for each in ARGUMENTS
    )


def _type(argument: Argument) -> str:
    return argument.kind.native.replace("data", "string")


def _shown_default(argument: Argument) -> str:
    return (
        ""
        if argument.default is None
        else f"={int(argument.default) if isinstance(argument.default, bool) else _default(argument)}"
    )


def main() -> None:
    for file, text in generate_files().items():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
