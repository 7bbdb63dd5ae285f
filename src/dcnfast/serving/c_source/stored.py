"""Large vocabularies in C: texts and integers that stay in the mapped model file.

They lie there as ``encode/saved_values.py`` puts them: integers of as few bytes as all need, texts
one behind the other with their lengths in code points. Both are in order. Of texts the place of
every 64th is found when the file is opened.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from dcnfast.encode.vocabulary import FIRST, Vocabulary
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.c_source.tables import Stored, TablesFile

FEW = 1000  # values of a column; fewer are in the source
BLOCK = 64  # texts

INTEGERS = """\
/* Integers of the file, ascending, and the rows of the table that they have. */
typedef struct {
  size_t at, n;
  int width, has_sign;
  uint64_t flip; /* makes their order that of numbers without a sign */
  int32_t first, step;
} stored_integers;

static uint64_t stored_integer(const stored_integers *in, size_t i) {
  const unsigned char *bytes = mapped + in->at + i * (size_t)in->width;
  uint64_t number = 0;
  for (int k = in->width - 1; k >= 0; --k) number = number << 8 | bytes[k];
  if (in->has_sign && in->width < 8 && number >> (8 * in->width - 1))
    number |= ~(uint64_t)0 << (8 * in->width);
  return number ^ in->flip;
}

static int32_t stored_integer_at(const stored_integers *in, uint64_t number) {
  const uint64_t key = number ^ in->flip;
  size_t first = 0, left = in->n;
  while (left > 0) {
    const size_t half = left / 2;
    if (stored_integer(in, first + half) < key) {
      first += half + 1;
      left -= half + 1;
    } else {
      left = half;
    }
  }
  if (first == in->n || stored_integer(in, first) != key) return UNKNOWN;
  return in->first + in->step * (int32_t)first;
}"""

TEXTS = f"""\
/* Texts of the file, ascending, and the rows of the table that they have. */
enum {{ BLOCK = {BLOCK} }};
typedef struct {{
  size_t text, size, lengths, n;
  int width; /* of a length, in bytes */
  uint64_t *blocks; /* where every 64th text begins, found when the file is opened */
  int32_t first, step;
}} stored_texts;

/* Where text i ends, which begins at a byte; its length counts code points. */
static size_t stored_end(const stored_texts *in, size_t i, size_t begin) {{
  const unsigned char *text = mapped + in->text;
  const unsigned char *bytes = mapped + in->lengths + i * (size_t)in->width;
  uint64_t left = 0;
  size_t at = begin;
  for (int k = in->width - 1; k >= 0; --k) left = left << 8 | bytes[k];
  for (; left > 0 && at < in->size; --left)
    do ++at;
    while (at < in->size && (text[at] & 0xC0) == 0x80);
  return at;
}}

static void find_blocks(const stored_texts *in) {{
  size_t at = 0;
  for (size_t i = 0; i < in->n; ++i) {{
    if (i % BLOCK == 0) in->blocks[i / BLOCK] = at;
    at = stored_end(in, i, at);
  }}
}}

/* Below 0, 0 or above, as text i is before the key, the key, or behind it; its end becomes `at`. */
static int stored_order(const stored_texts *in, size_t i, size_t *at, const char *key, size_t n) {{
  const size_t begin = *at, end = stored_end(in, i, begin), size = end - begin;
  const int order = memcmp(mapped + in->text + begin, key, size < n ? size : n);
  *at = end;
  return order ? order : size < n ? -1 : size > n;
}}

static int32_t stored_text_at(const stored_texts *in, const char *key, size_t n) {{
  size_t block = 0, left = (in->n + BLOCK - 1) / BLOCK, at;
  while (left > 1) {{
    const size_t half = left / 2;
    at = (size_t)in->blocks[block + half];
    if (stored_order(in, (block + half) * BLOCK, &at, key, n) <= 0) block += half;
    left -= half;
  }}
  at = (size_t)in->blocks[block];
  for (size_t i = block * BLOCK; i < in->n && i < (block + 1) * BLOCK; ++i) {{
    const int order = stored_order(in, i, &at, key, n);
    if (order == 0) return in->first + in->step * (int32_t)i;
    if (order > 0) break;
  }}
  return UNKNOWN;
}}"""


def write_stored(
    source: Source,
    field: int,
    column: Vocabulary,
    kind: str,
    file: TablesFile | None,
    place: int,
) -> tuple[list[str], set[Any]]:
    """Write what finds values that are in the file.

    Parameters
    ----------
    source : Source
    field : int
    column : Vocabulary
    kind : str
        What is given: texts, or integers with or without a sign.
    file : TablesFile or None
    place : int
        Of the column among those of the file.

    Returns
    -------
    finders : list of str
        Expressions of the row of ``key``, a text of ``n`` bytes, each ``UNKNOWN`` where it is not
        among its values.
    found : set
        The values that they find.
    """
    finders, found = list[str](), set[Any]()
    if file is None or kind not in ("text", "integer", "natural"):
        return finders, found
    lists = (("values", column.values, FIRST, 1), ("infrequent", column.infrequent, 0, 0))
    for part, values, first, step in lists:
        name = f"encoder.columns.{place}.{part}."
        row = first or FIRST + len(column.values)
        if len(values) <= FEW or not _are_in_order(column, values, row, step):
            continue
        if kind == "text" and f"{name}str.text" in file.arrays:
            text, lengths = file.arrays[f"{name}str.text"], file.arrays[f"{name}str.lengths"]
            finders.append(_texts(source, f"{part}_{field}", text, lengths, row, step))
        elif kind != "text" and f"{name}int" in file.arrays and _are_integers(values):
            array = file.arrays[f"{name}int"]
            finders.append(_integers(source, f"{part}_{field}", array, kind, row, step))
        else:
            continue
        found |= set(values)
    return finders, found


def _are_in_order(column: Vocabulary, values: list[Any], row: int, step: int) -> bool:
    """Return whether values ascend, with rows that follow from their places."""
    rows = column.known()
    return all(rows.get(value) == row + step * i for i, value in enumerate(values)) and all(
        type(one) is type(next_one) and one < next_one for one, next_one in pairwise(values)
    )


def _are_integers(values: list[Any]) -> bool:
    return all(type(value) is int for value in values)


def _integers(source: Source, name: str, array: Stored, kind: str, row: int, step: int) -> str:
    source.use(INTEGERS)
    flip = "0x8000000000000000ULL" if kind == "integer" else "0"
    sign = int(array.dtype.kind == "i")
    source.write(
        f"static const stored_integers {name} = {{{array.at}, {array.size}, "
        f"{array.dtype.itemsize}, {sign}, {flip}, {row}, {step}}};"
    )
    return f"stored_integer_at(&{name}, (uint64_t)key)"


def _texts(source: Source, name: str, text: Stored, lengths: Stored, row: int, step: int) -> str:
    source.use(TEXTS)
    n = lengths.size
    source.write(f"static uint64_t blocks_of_{name}[{(n + BLOCK - 1) // BLOCK}];")
    source.write(
        f"static const stored_texts {name} = {{{text.at}, {text.size}, {lengths.at}, {n}, "
        f"{lengths.dtype.itemsize}, blocks_of_{name}, {row}, {step}}};"
    )
    source.at_open.append(f"find_blocks(&{name});")
    return f"stored_text_at(&{name}, key, n)"
