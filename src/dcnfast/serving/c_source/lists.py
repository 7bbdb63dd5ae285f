"""Stage 2 in C for columns of lists: the rows of a table that a list names, pooled.

Nothing is kept of an item, so a list may have any number of them: each is looked up and its row
added. What comes out are the columns of x that lists fill, and what they add to the logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dcnfast.network.config import NetworkConfig
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.categories import SIMPLIFIED, row_of
from dcnfast.serving.c_source.embed import rows_of_fields
from dcnfast.serving.c_source.products import CLEAR
from dcnfast.serving.c_source.row import Given, Input, with_prefix
from dcnfast.serving.c_source.source import ROW, Source
from dcnfast.table.lists import ListColumn, ListColumns

ADD_ROW = """\
static void add_items(double *sum, const weight *e, double share, size_t n) {
  for (size_t k = 0; k < n; ++k) sum[k] += share * e[k];
}"""

MOST_ROW = """\
static void most_items(double *most, const weight *e, int is_first, size_t n) {
  for (size_t k = 0; k < n; ++k) most[k] = is_first || e[k] > most[k] ? e[k] : most[k];
}"""

ADD = """\
static void add(double *sum, const double *x, size_t n) {
  for (size_t k = 0; k < n; ++k) sum[k] += x[k];
}"""

WEIGH = """\
/* Finds the largest weight, and over it their sum or the root of the sum of their squares; returns
   whether one is refused: it is negative, or beyond the limit. */
static int weigh(const double *weights, size_t n, double limit, int squares, double *largest,
                 double *total) {
  double most = 0, sum = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!(weights[i] >= 0 && weights[i] <= limit)) return 1;
    most = weights[i] > most ? weights[i] : most;
  }
  if (most > 0) *largest = most;
  for (size_t i = 0; i < n; ++i) {
    const double w = weights[i] / *largest;
    sum += squares ? w * w : w;
  }
  if (sum > 0) *total = squares ? sqrt(sum) : sum;
  return 0;
}"""

SPLIT = """\
/* How many items a text has with separators between them; the empty text has none. */
static size_t count_items(const char *text, const char *separator) {
  const size_t size = strlen(separator);
  size_t n = *text != 0;
  const char *at = text;
  while ((at = strstr(at, separator)) != 0) {
    at += size;
    ++n;
  }
  return n;
}

/* The bytes of the item with which a text begins. */
static size_t item_size(const char *text, const char *separator) {
  const char *end = strstr(text, separator);
  return end ? (size_t)(end - text) : strlen(text);
}"""

MIXES = """\
/* Whether there are texts and numbers in a list. */
static int mixes(const prefix_value *items, size_t n) {
  int texts = 0, numbers = 0;
  for (size_t i = 0; i < n; ++i) {
    const prefix_kind kind = simplified(items[i]).kind;
    texts |= kind == PREFIX_TEXT;
    numbers |= kind > PREFIX_TEXT;
  }
  return texts && numbers;
}"""


@dataclass(frozen=True)
class Column:
    """A column of lists.

    Parameters
    ----------
    field : int
        Its number in the network.
    how : ListColumn
    of : Input
    weights : Input or None
    finder : str
        The expression of the row that an item has.
    numbers : tuple of (int, int)
        That of the column, and that of its weights, where something is refused.
    """

    field: int
    how: ListColumn
    of: Input
    weights: Input | None
    finder: str
    numbers: tuple[int, int]

    @property
    def item(self) -> Given:
        """Item i."""
        name = f"row->{self.of.name}"
        if not self.of.is_list:
            return Given("text", "text", "", "size")
        flags, missing = f"{name}_item_missing", "missing"
        if self.of.kind in ("integer", "natural"):
            missing = f"missing || ({flags} && {flags}[i])"
        return Given(self.of.kind, f"{name}[i]", missing)


def write_lists(
    source: Source,
    config: NetworkConfig,
    lists: ListColumns,
    inputs: Sequence[Input],
    finders: Sequence[str],
) -> None:
    """Write ``pool_lists(row, lists)``, behind the tables and what finds rows.

    It sets the columns of x, and behind them what the lists add to the logits. It returns 0, or the
    column that it refuses.

    Parameters
    ----------
    source : Source
    config : NetworkConfig
    lists : ListColumns
    inputs : sequence of Input
        All columns of the table.
    finders : sequence of str
        Of the columns of lists.
    """
    if not lists:
        return
    n_single = len(config.fields) - len(lists.columns)
    lines, at = list[str](), 0
    width = sum(width for _, _, width in config.fields[n_single:])
    for i, how in enumerate(lists.columns):
        weights = how.weights
        column = Column(
            n_single + i, how, inputs[how.place], None if weights is None else inputs[weights],
            finders[i], (how.place + 1, 0 if weights is None else weights + 1),
        )  # fmt: skip
        _write_pool(source, config, column)
        linear = f", lists + {width}" if config.wide else ""
        lines.append(f"  refused = pool_{column.field}(row, lists + {at}{linear});")
        lines.append("  if (refused) return refused;")
        at += config.fields[column.field][2]
    body = "\n".join(lines)
    source.use(CLEAR)
    source.write(
        f"""\
/* The columns of x that lists fill, and what they add to the logits. Returns 0, or the number of a
   column whose value is refused. */
static int pool_lists(const {source.name}_row *row, double *lists) {{
  int refused;
  clear(lists, {size_of(config)});
{body}
  return 0;
}}"""
    )


def size_of(config: NetworkConfig) -> int:
    """Return how many numbers ``pool_lists`` sets."""
    n_single = len(config.fields) - len(config.poolings)
    width = sum(width for _, _, width in config.fields[n_single:])
    return width + (config.n_outputs if config.wide and config.poolings else 0)


def _write_pool(source: Source, config: NetworkConfig, column: Column) -> None:
    """Write ``pool_<field>(row, x)``, which adds to zeros; ``linear`` is beside x if it is wide."""
    table, first, width = rows_of_fields(config)[column.field]
    begins = _is_split if column.how.rule.separator is not None else _is_list
    lines = begins(source, column) + _weigh(source, column)
    pooled, ends = [(table, first, width, "x")], list[str]()
    if config.wide:
        C, where = config.n_outputs, "linear"
        if column.how.rule.pooling == "max":  # of its own items
            source.use(ADD)
            where = "own"
            lines.append(f"double own[{C}] = {{0}};")
            ends.append(f"add(linear, own, {C});")
        pooled.append(("wide", config.rows_of_linear[column.field], C, where))
    lines.append("for (size_t i = 0; i < n; ++i) {")
    lines += [f"  {line}" for line in _item(column)]
    for name, row, K, where in pooled:
        if column.how.rule.pooling == "max":
            source.use(MOST_ROW)
            pool = f"most_items({where}, {ROW}, i == 0, {K});"
        else:
            source.use(ADD_ROW)
            pool = f"add_items({where}, {ROW}, {_share(column)}, {K});"
        read = source.with_row(name, f"(size_t){row}U + (size_t)id", K, pool)
        lines += [f"  {line}" for line in read]
    lines.append("}")
    body = "\n".join(f"  {line}" for line in [*lines, *ends])
    linear = ", double *linear" if config.wide else ""
    source.write(
        f"""\
/* {literals.comment(repr(column.how.name))}: {column.how.rule.pooling} */
static int pool_{column.field}(const {source.name}_row *row, double *x{linear}) {{
{body}
  return 0;
}}"""
    )


def _is_list(source: Source, column: Column) -> list[str]:
    """Return the statements that count the items; a missing list has one."""
    name, number = f"row->{column.of.name}", column.numbers[0]
    lines = [
        f"const int missing = {name}_missing != 0;",
        f"const size_t n = missing ? 1 : {name}_count;",
    ]
    refused = f"n && !{name}"
    if column.of.kind == "value":
        source.use(with_prefix(SIMPLIFIED, source.name), with_prefix(MIXES, source.name))
        refused = f"({refused}) || mixes({name}, n)"
    return [*lines, f"if (!missing && ({refused})) return {number};"]


def _is_split(source: Source, column: Column) -> list[str]:
    source.use(SPLIT)
    return [
        f"const char *text = row->{column.of.name};",
        "const int missing = !text;",
        f"const size_t n = missing ? 1 : count_items(text, {_separator(column)});",
    ]


def _separator(column: Column) -> str:
    return literals.string(str(column.how.rule.separator))


def _weigh(source: Source, column: Column) -> list[str]:
    """Return the statements that look at the weights, or at how many items there are."""
    pooling, weights = column.how.rule.pooling, column.weights
    if pooling == "max":
        return []
    if weights is None:
        root = "sqrt((double)n)" if pooling == "sqrtn" else "(double)n"
        return [] if pooling == "sum" else [f"const double share = n ? (weight)(1 / {root}) : 0;"]
    source.use(WEIGH)
    name, number = f"row->{weights.name}", column.numbers[1]
    # what the type holds, where weights are taken as they are
    limit = "DBL_MAX" if pooling != "sum" else "sizeof(weight) < 8 ? FLT_MAX : DBL_MAX"
    lines = [
        "double largest = 1, total = 1;",
        "if (!missing && n) {",
        f"  if (!{name}) return {number};",
        f"  if (weigh({name}, n, {limit}, {int(pooling == 'sqrtn')}, &largest, &total))",
        f"    return {number};",
        "}",
    ]
    if pooling == "sum":
        lines.insert(5, "  largest = total = 1;")
    return lines


def _share(column: Column) -> str:
    """Return the expression of what item i counts."""
    is_one = column.weights is None and column.how.rule.pooling == "sum"
    return "1" if is_one else "share"


def _item(column: Column) -> list[str]:
    """Return the statements that find the row of item i."""
    lines, of = list[str](), column.item
    if not column.of.is_list:
        size = f"item_size(text, {_separator(column)})"
        lines.append(f"const size_t size = missing ? 0 : {size};")
    lines += ["const int32_t id =", f"    {row_of(of, column.finder)};"]
    if of.kind == "value" or column.finder == "-1":
        lines.append(f"if (id < 0) return {column.numbers[0]};")
    if not column.of.is_list:
        step = len(str(column.how.rule.separator).encode("utf-8", "surrogatepass"))
        lines.append(f"if (i + 1 < n) text += size + {step};")
    if column.weights is not None:  # rounded as the engine has it
        weight = f"row->{column.weights.name}[i] / largest / total"
        lines.append(f"const double share = (weight)(missing ? 1 : {weight});")
    return lines
