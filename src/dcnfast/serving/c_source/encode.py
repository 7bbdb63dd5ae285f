"""Stage 1 in C: a row -> ids, a row number in each field's table, and dense columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.scaling import NumericScaler
from dcnfast.encode.target_statistics import Statistics
from dcnfast.serving.c_source.categories import row_of, write_finder
from dcnfast.serving.c_source.numbers import write_scales
from dcnfast.serving.c_source.row import Columns, Given, Input
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.c_source.stored import FEW
from dcnfast.serving.c_source.tables import TablesFile
from dcnfast.table.dates import DAY_NUMBER

CLOCK = """\
typedef struct {
  int64_t day;              /* from 1970-01-01 on */
  int64_t hour, weekday, month; /* weekday 0 is Monday */
} clock_time;

static int64_t floor_of(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* The month as Hinnant's civil_from_days has it: years begin in March. */
static clock_time clock_of(int64_t seconds) {
  clock_time t;
  int64_t day, in_era, year, in_year, month;
  t.day = floor_of(seconds, 86400);
  t.hour = floor_of(seconds - t.day * 86400, 3600);
  t.weekday = t.day - 7 * floor_of(t.day + 3, 7) + 3;
  day = t.day + 719468;
  in_era = day - 146097 * floor_of(day, 146097);
  year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  in_year = in_era - (365 * year + year / 4 - year / 100);
  month = (5 * in_year + 2) / 153;
  t.month = month < 10 ? month + 3 : month - 9;
  return t;
}"""

KEY_AT = """\
static size_t key_at(const int64_t *keys, size_t n, int64_t key) {
  size_t first = 0, left = n;
  while (left > 0) {
    const size_t half = left / 2;
    if (keys[first + half] < key) {
      first += half + 1;
      left -= half + 1;
    } else {
      left = half;
    }
  }
  return first < n && keys[first] == key ? first : n;
}"""


def write_encoder(
    source: Source,
    encoder: TableEncoder,
    inputs: Sequence[Input],
    columns: Columns,
    dtype: str,
    file: TablesFile | None,
) -> list[str]:
    """Write ``encode(row, ids, dense)``, which returns 0 or the column that it refuses.

    Returns
    -------
    finders : list of str
        Of the columns of lists: the expression of the row that an item has.
    """
    names, mask, dates, lists = columns
    n_plain = len(names) - len(dates.made)
    clocks, given = _given(inputs, columns)
    categories = [of for of, categorical in zip(given, mask, strict=True) if categorical]
    numeric = [j for j, categorical in enumerate(mask) if not categorical]
    lines = [f"  const clock_time {clock} = clock_of({seconds});" for clock, seconds in clocks]
    if clocks:
        source.use(CLOCK)
    place = {of.given: number for number, of in enumerate(inputs, 1)}
    kinds = [of.kind for of in categories] + [inputs[of.place].category for of in lists.columns]
    finders = _write_finders(source, encoder, kinds, file)
    for field, of in enumerate(categories):
        lines.append(f"  ids[{field}] = {row_of(of, finders[field])};")
        if of.kind == "value":
            lines.append(f"  if (ids[{field}] < 0) return {place[of]};")
    for number, j in enumerate(numeric):
        of = given[j]
        if j < n_plain:
            lines.append(f"  numbers[{number}] = {of.value};")
            lines.append(f"  if (isinf(numbers[{number}])) return {place[of]};")
        else:
            lines.append(f"  numbers[{number}] = {of.missing} ? NAN : (double){of.value};")
    if encoder.statistics is not None:
        _write_statistics(source, encoder.statistics, file)
        lines.append(f"  statistics(ids, numbers + {len(numeric)});")
    scaler = encoder.scaler
    write_scales(source, scaler, dtype)
    _write_clip(source, scaler, dtype)
    total = len(scaler.standardizer.mean)
    body = "\n".join(lines)
    source.write(
        f"""\
/* Returns 0, or the number of a column whose value is refused. */
static int encode(const {source.name}_row *row, int32_t *ids, double *dense) {{
  double numbers[{max(1, total)}];
  (void)row;
  (void)ids;
{body}
  scale_numbers(numbers, dense);
  return 0;
}}"""
    )
    return finders[len(categories) :]


def _write_finders(
    source: Source, encoder: TableEncoder, kinds: Sequence[str], file: TablesFile | None
) -> list[str]:
    """Write what finds the rows of each field, once for those that share them.

    Parameters
    ----------
    source : Source
    encoder : TableEncoder
    kinds : sequence of str
        Of what is given for each field.
    file : TablesFile or None
    """
    owners = encoder.table_of or tuple(range(len(encoder.columns)))
    places = {owner: place for place, owner in enumerate(dict.fromkeys(owners))}
    written, finders = dict[tuple[int, str], str](), list[str]()
    for field, (owner, kind) in enumerate(zip(owners, kinds, strict=True)):
        if (owner, kind) not in written:
            column = encoder.columns[field]
            written[owner, kind] = write_finder(source, field, column, kind, file, places[owner])
        finders.append(written[owner, kind])
    return finders


def _given(inputs: Sequence[Input], columns: Columns) -> tuple[list[tuple[str, str]], list[Given]]:
    """Return the clocks that are read, and what is given for each column behind the table.

    These are the columns of the table but for dates and lists, then what is made of dates.
    """
    dates, lists = columns[2:]
    clocks, made = [], []
    for column in dates.columns:
        of, clock = inputs[column.place].given, f"clock_{column.place}"
        clocks.append((clock, of.value))
        for part in dates.parts:
            field = "day" if part == DAY_NUMBER else part
            made.append(Given("integer", f"{clock}.{field}", of.missing))
    places = {*dates.places, *lists.taken}
    return clocks, [of.given for j, of in enumerate(inputs) if j not in places] + made


def _write_statistics(source: Source, found: Statistics, file: TablesFile | None) -> None:
    """Write the means of the target and the counts by category, and what finds them."""
    width, n = found._table.shape[1], len(found._keys)
    source.use(KEY_AT)
    keys, table = "statistics_keys", "statistics_table"
    if file is not None and n > FEW:
        keys = file.arrays["encoder.statistics.keys"].pointer("int64_t")
        table = file.arrays["encoder.statistics.table"].pointer("float")
    else:
        source.integers(keys, found._keys.tolist())
        source.floats(table, found._table)
    for name in ("first", "second", "is_pair", "times", "start"):
        source.integers(f"statistics_{name}", getattr(found, f"_{name}").tolist())
    source.write(
        f"""\
/* Means of the target and counts of rows, by category and by pair of categories. */
static void statistics(const int32_t *ids, double *out) {{
  const int64_t *keys = {keys};
  const float *table = {table};
  for (size_t g = 0; g < {len(found.groups)}; ++g, out += {width}) {{
    const int64_t key = ids[statistics_first[g]] * statistics_times[g] +
                        ids[statistics_second[g]] * statistics_is_pair[g] + statistics_start[g];
    const size_t at = key_at(keys, {n}, key);
    for (size_t k = 0; k < {width}; ++k) out[k] = table[at * {width} + k];
  }}
}}"""
    )


def _write_clip(source: Source, scaler: NumericScaler, dtype: npt.DTypeLike) -> None:
    """Write what brings dense columns into the range of the training rows."""
    largest = float(np.finfo(dtype).max)
    low, high = (
        np.clip(ends, -largest, largest).astype(dtype) for ends in (scaler.low, scaler.high)
    )
    first = len(low) - 2 * len(scaler.bins)
    if not len(low):
        source.write("static void clip(double *dense) { (void)dense; }")
        return
    source.weights("least", low)
    source.weights("most", high)
    pairs = ""
    if scaler.bins:
        condition = f"j >= {first} && " if first else ""
        pairs = f"""
    if ({condition}dense[{first} + ((j - {first}) | 1)] == MISSING_PLACE) continue;"""
    source.write(
        f"""\
/* Brings dense columns into the range of the training rows. */
static void clip(double *dense) {{
  for (size_t j = 0; j < {len(low)}; ++j) {{{pairs}
    dense[j] = dense[j] > most[j] ? most[j] : dense[j] < least[j] ? least[j] : dense[j];
  }}
}}"""
    )
