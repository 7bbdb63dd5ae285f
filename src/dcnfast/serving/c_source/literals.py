"""Numbers, texts and names as C has them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# of C99, GNU C and C23, of C++, which reads the header too, and of their headers
_WORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class co_await co_return
co_yield compl concept const const_cast consteval constexpr constinit continue decltype default
delete do double dynamic_cast else enum explicit export extern false float for friend goto i386 if
inline int int32_t int64_t long mutable namespace new noexcept not not_eq nullptr operator or or_eq
private protected public register reinterpret_cast requires restrict return short signed sizeof
static static_assert static_cast struct switch template this thread_local throw true try typedef
typeid typename typeof typeof_unqual uint64_t union unsigned using virtual void volatile wchar_t
while xor xor_eq linux unix
NULL NAN INFINITY EOF INT64_MIN INT64_MAX errno
"""
KEYWORDS = frozenset(_WORDS.split())
# macros of the headers that a source includes
MACROS = re.compile(
    r"(FLT|DBL|LDBL|U?INT\w*|SIZE|PTRDIFF|WCHAR|HUGE|FP|MATH|M|MAP|PROT|O|S)_[A-Z]\w*"
    r"|st_[acm]time"
)
WIDTH = 96  # of lines
INT64 = (-(2**63), 2**63 - 1)


def is_identifier(name: str) -> bool:
    """Return whether C takes a name for something of one's own."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None and name not in KEYWORDS


def identifier(text: str, taken: set[str], *, also: Sequence[str] = ()) -> str:
    """Return a name in C for a text, and take it.

    Parameters
    ----------
    text : str
    taken : set of str
        Names that are no longer free.
    also : sequence of str, default=()
        Ends with which the name must be free, too.
    """
    base = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "x"
    base = base if base[0].isalpha() else f"x{base}"
    base = f"{base}_" if base in KEYWORDS or MACROS.fullmatch(base) else base
    name, number = base, 1
    while any(name + end in taken for end in ("", *also)):
        number += 1
        name = f"{base}_{number}"
    taken.update(name + end for end in ("", *also))
    return name


def comment(text: object) -> str:
    """Return a text that may stand in a comment."""
    shown = str(text).encode("utf-8", "backslashreplace").decode()
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)
    return re.sub(r"[*/?](?=[*/?])", r"\g<0> ", shown)  # no ends of comments, no trigraphs


def string(text: str) -> str:
    """Return a literal of the text in UTF-8."""
    return string_of_bytes(text.encode("utf-8", "surrogatepass"))


def string_of_bytes(raw: bytes) -> str:
    """Return a literal of bytes."""
    return '"' + "".join(_escaped(byte) for byte in raw) + '"'


def _escaped(byte: int) -> str:
    plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def real(number: float) -> str:
    """Return a literal of a double, exact."""
    if math.isinf(number):
        return "INFINITY" if number > 0 else "-INFINITY"
    return _short(float(number).hex())


def reals(values: Array) -> list[str]:
    """Return literals of doubles, or of floats, exact."""
    end = "f" if values.dtype == np.float32 else ""
    if not np.isfinite(values).all():
        return [real(value) for value in values.ravel().tolist()]
    texts = map(float.hex, values.ravel().astype(np.float64).tolist())
    return [f"{text}{end}" for text in _short(" ".join(texts)).split()]


def _short(text: str) -> str:
    return re.sub(r"\.?0*p\+?", "p", text)


def integer(number: int) -> str:
    """Return a literal of an integer of 64 bits."""
    if number == INT64[0]:
        return "INT64_MIN"
    if number > INT64[1]:
        return f"{number}ULL"
    return str(number) if abs(number) < 2**31 else f"{number}LL"


def rows(items: Iterable[str], indent: str = "  ") -> str:
    """Return items with commas, in lines that are not too long."""
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) + 2 > WIDTH and line != indent:
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    lines.append(line.rstrip())
    return "\n".join(lines)
