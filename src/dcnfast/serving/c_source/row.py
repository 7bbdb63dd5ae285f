"""What a row of the table is in C: a struct with a field for each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import FIRST, Buckets, Vocabulary, kinds_of
from dcnfast.serving.c_source import literals
from dcnfast.table.dates import Dates
from dcnfast.table.factor import factor_objects
from dcnfast.table.lists import ListColumn, ListColumns

# names of all columns but those of lists, which are categorical, which are made of dates; the
# columns of lists
Columns = tuple[Sequence[str], Sequence[bool], Dates, ListColumns]

# kind of a column -> its fields, what the header says of it
FIELDS = {
    "number": ("double {name};", "a number; NAN is missing"),
    "text": ("const char *{name};", "a category, UTF-8; NULL is missing"),
    "integer": ("int64_t {name};\n  int {name}_missing;", "a category, an integer"),
    "natural": ("uint64_t {name};\n  int {name}_missing;", "a category, an integer"),
    "real": ("double {name};", "a category, a number; NAN is missing"),
    "value": ("{prefix}_value {name};", "a category, a text or a number"),
    "date": ("int64_t {name};\n  int {name}_missing;", "a date: seconds since 1970-01-01 00:00:00"),
    "split": ("const char *{name};", "a list in one text, UTF-8; NULL is missing"),
    "weights": ("const double *{name};", "the weights of items"),
}
# the same of columns of lists, by the kind of their items
ITEMS_MISSING = "{name}_item_missing is NULL, or not 0 where one is missing"
LISTS = {
    "text": ("const char *const *{name};", "texts, UTF-8; an item that is NULL is missing"),
    "integer": ("const int64_t *{name};\n  const int *{name}_item_missing;",
                f"integers; {ITEMS_MISSING}"),
    "natural": ("const uint64_t *{name};\n  const int *{name}_item_missing;",
                f"integers; {ITEMS_MISSING}"),
    "real": ("const double *{name};", "numbers; an item that is NAN is missing"),
    "value": ("const {prefix}_value *{name};", "texts or numbers"),
}  # fmt: skip
COUNT = "\n  size_t {name}_count;\n  int {name}_missing;"
ENDS = ("_missing", "_count", "_item_missing")  # of names beside that of a list


@dataclass(frozen=True)
class Given:
    """A category that is given, in expressions of C.

    Parameters
    ----------
    kind : str
        Of ``FIELDS``.
    value : str
    missing : str
        What is not 0 if it is missing, "" where the value itself says it.
    size : str, default=""
        Bytes of a text that does not end there.
    """

    kind: str
    value: str
    missing: str
    size: str = ""


@dataclass(frozen=True)
class Input:
    """A column of the table.

    Parameters
    ----------
    column : str
        Its name in the table.
    name : str
        That of its field.
    kind : str
        Of ``FIELDS``, of a list that of its items, of ``LISTS``.
    about : str, default=""
        What else the header says.
    is_list : bool, default=False
    """

    column: str
    name: str
    kind: str
    about: str = ""
    is_list: bool = False

    @property
    def category(self) -> str:
        """The kind of its categories, those of items in a list."""
        return "text" if self.kind == "split" else self.kind

    @property
    def given(self) -> Given:
        """Its value in a row."""
        flag = f"row->{self.name}_missing" if "_missing" in FIELDS[self.kind][0] else ""
        return Given(self.kind, f"row->{self.name}", flag)


def inputs_of(encoder: TableEncoder, columns: Columns) -> list[Input]:
    """Return the columns of the table in their order."""
    names, mask, dates, lists = columns
    categories = iter(encoder.columns)
    n_plain = len(names) - len(dates.made)
    found = [
        Input(name, "", kind_of(name, next(categories)) if categorical else "number")
        for name, categorical in zip(names[:n_plain], mask[:n_plain], strict=True)
    ]
    others = dict[int, Input]()
    for date in dates.columns:
        clock = f"as the clock of {date.zone} shows it" if date.zone else "without a time zone"
        others[date.place] = Input(date.name, "", "date", clock)
    of_lists = encoder.columns[len(encoder.columns) - len(lists.columns) :]
    for of, column in zip(lists.columns, of_lists, strict=True):
        others[of.place] = _list_input(of, column)
        if of.weights is not None:
            weights = str(of.rule.weights)
            others[of.weights] = Input(weights, "", "weights", f"as many as {of.name!r} has")
    for place in sorted(others):  # from left to right
        found.insert(place, others[place])
    taken: set[str] = set()
    return [
        replace(
            of,
            name=literals.identifier(of.column, taken, also=ENDS if of.is_list else ("_missing",)),
        )
        for of in found
    ]


def _list_input(of: ListColumn, column: Vocabulary | Buckets) -> Input:
    """Return a column of lists, as yet without its name in C."""
    kind, separator = kind_of(of.name, column), of.rule.separator
    if separator is None:
        return Input(of.name, "", kind, is_list=True)
    if "\0" in separator:
        raise ValueError(
            f"to_c: column {of.name!r} has the separator {separator!r} with the character U+0000, "
            "want none: a text ends there in C"
        )
    return Input(of.name, "", "split", f"items with {separator!r} between them")


def kind_of(name: str, column: Vocabulary | Buckets) -> str:
    """Return what a column of categories is in C: the plainest type that holds its values.

    Raises
    ------
    TypeError
        If the column is of a kind that is not written as C.
    ValueError
        If one of its values cannot be given in C.
    """
    if type(column) is Buckets:
        return "text" if column.kinds == {"strings"} else "value"
    if type(column) is not Vocabulary:
        raise TypeError(
            f"to_c: column {name!r} is encoded by {type(column).__name__}, want a vocabulary or "
            "hash buckets: no other kind is written as C"
        )
    values = list(rows_of(name, column))
    kinds = column.kinds or kinds_of(factor_objects(values, name).values)
    if any(isinstance(value, str) and "\0" in value for value in values):
        raise ValueError(
            f"to_c: column {name!r} has a category with the character U+0000, want none: a text "
            "ends there in C"
        )
    if kinds == {"strings"}:
        return "text"
    if kinds != {"numbers"} or not values:
        return "value"
    whole = [int(value) for value in values if abs(value) < 2**64 and value == int(value)]
    if len(whole) < len(values):
        return "real" if all(abs(value) <= 2**53 for value in whole) else "value"
    least, most = min(whole), max(whole)
    if literals.INT64[0] <= least and most <= literals.INT64[1]:
        return "integer"
    return "natural" if least >= 0 else "value"


def rows_of(name: str, column: Vocabulary) -> dict[Any, int]:
    """Return the row of each value that a vocabulary knows.

    Raises
    ------
    TypeError
        If it has rows that none of them leads to: they would be unknown in C.
    """
    rows = column.known()
    # rows of values are recycled, but the one of the infrequent ones is left by them in time
    left = column.recycles and column.row_of_infrequent not in (None, *rows.values())
    if len(set(rows.values())) != column.size - FIRST - left:
        raise TypeError(
            f"to_c: column {name!r} has {column.size - FIRST} rows of categories and "
            f"{len(set(rows.values()))} that its values lead to, want as many: categories that "
            "came later are not written as C"
        )
    return rows


def struct_of(prefix: str, inputs: Sequence[Input]) -> str:
    """Return the declaration of a row."""
    lines = []
    for place, column in enumerate(inputs, 1):
        field, about = LISTS[column.kind] if column.is_list else FIELDS[column.kind]
        if column.is_list:
            field, about = field + COUNT, f"a list of {about.format(name=column.name)}"
        about = f"{about}, {column.about}" if column.about else about
        lines.append(f"  /* {place}: {literals.comment(repr(column.column))}, {about} */")
        lines.append(f"  {field.format(name=column.name, prefix=prefix)}")
    return "typedef struct {\n" + "\n".join(lines) + f"\n}} {prefix}_row;"


VALUE = """\
/* A category that may be a text or a number. One of zeros is missing. */
typedef enum {
  PREFIX_MISSING, PREFIX_TEXT, PREFIX_INTEGER, PREFIX_NATURAL, PREFIX_REAL
} prefix_kind;
typedef struct {
  prefix_kind kind;
  union {
    const char *text;
    int64_t integer;
    uint64_t natural;
    double real;
  } is;
} prefix_value;

static inline prefix_value prefix_missing(void) {
  prefix_value v;
  v.kind = PREFIX_MISSING;
  v.is.text = 0;
  return v;
}
static inline prefix_value prefix_text(const char *text) {
  prefix_value v;
  v.kind = text ? PREFIX_TEXT : PREFIX_MISSING;
  v.is.text = text;
  return v;
}
static inline prefix_value prefix_integer(int64_t integer) {
  prefix_value v;
  v.kind = PREFIX_INTEGER;
  v.is.integer = integer;
  return v;
}
static inline prefix_value prefix_natural(uint64_t natural) {
  prefix_value v;
  v.kind = PREFIX_NATURAL;
  v.is.natural = natural;
  return v;
}
static inline prefix_value prefix_real(double real) {
  prefix_value v;
  v.kind = PREFIX_REAL;
  v.is.real = real;
  return v;
}"""


def with_prefix(text: str, prefix: str) -> str:
    """Return a text of C in which names that others see begin as those of the model do."""
    return text.replace("prefix_", f"{prefix}_").replace("PREFIX_", f"{prefix.upper()}_")
