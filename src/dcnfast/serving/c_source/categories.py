"""Stage 1 in C, categories: the rows of the fields' tables that texts and numbers have."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from dcnfast.encode.vocabulary import FIRST, MISSING, UNKNOWN, Buckets, Vocabulary
from dcnfast.serving.c_source.row import Given, with_prefix
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.c_source.stored import write_stored
from dcnfast.serving.c_source.tables import TablesFile

COMMON = f"""\
/* Row 0 of a field's table is for what training has not seen. */
enum {{ UNKNOWN = {UNKNOWN}, MISSING = {MISSING}, FIRST = {FIRST} }};"""


def _finder(name: str, kind: str, keys: str, less: str, differs: str) -> str:
    return f"""\
typedef struct {{
  const {kind} *keys;  /* ascending */
  const int32_t *rows; /* 0 where they go on from FIRST */
  size_t n;
}} {name}s;

static int32_t {name}_at(const {name}s *in, {keys}) {{
  size_t first = 0, left = in->n;
  while (left > 0) {{
    const size_t half = left / 2;
    if ({less.format("in->keys[first + half]")}) {{
      first += half + 1;
      left -= half + 1;
    }} else {{
      left = half;
    }}
  }}
  if (first == in->n || {differs.format("in->keys[first]")}) return UNKNOWN;
  return in->rows ? in->rows[first] : FIRST + (int32_t)first;
}}"""


def _finder_of_numbers(name: str, kind: str) -> str:
    return _finder(name, kind, f"{kind} key", "{} < key", "{} != key")


# what strncmp orders by is bytes, and so code points
TEXT_ORDER = """\
/* Below 0, 0 or above, as a text is before a key of n bytes, the key, or behind it. */
static int text_order(const char *text, const char *key, size_t n) {
  const int order = strncmp(text, key, n);
  return order ? order : text[n] != 0;
}"""

FINDERS = {
    "text": f"{TEXT_ORDER}\n\n"
    + _finder(
        "text", "char *const", "const char *key, size_t n",
        "text_order({}, key, n) < 0", "text_order({}, key, n) != 0",
    ),
    "integer": _finder_of_numbers("integer", "int64_t"),
    "natural": _finder_of_numbers("natural", "uint64_t"),
    "real": _finder_of_numbers("real", "double"),
}  # fmt: skip

MIXED = """\
static uint64_t mixed(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}"""

BUCKETS = """\
static int32_t bucket(uint64_t hash, uint64_t n) { return (int32_t)(FIRST + hash % n); }"""

BLAKE = """\
/* BLAKE2b of RFC 7693 with a digest of 8 bytes. */
static uint64_t rotated(uint64_t x, int by) { return (x >> by) | (x << (64 - by)); }

static void blend(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = rotated(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = rotated(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotated(v[b] ^ v[c], 63);
}

static const uint64_t blake_start[8] = {
    0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL,
    0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL};

static void blake_block(uint64_t *h, const unsigned char *block, uint64_t end, int last) {
  static const unsigned char order[10][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
      {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
      {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
      {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
      {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
      {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
  uint64_t m[16], v[16];
  for (int i = 0; i < 16; ++i) {
    m[i] = 0;
    for (int k = 7; k >= 0; --k) m[i] = m[i] << 8 | block[8 * i + k];
  }
  for (int i = 0; i < 8; ++i) {
    v[i] = h[i];
    v[i + 8] = blake_start[i];
  }
  v[12] ^= end;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < 12; ++round) {
    const unsigned char *s = order[round % 10];
    for (int i = 0; i < 4; ++i)
      blend(v, i, i + 4, i + 8, i + 12, m[s[2 * i]], m[s[2 * i + 1]]);
    for (int i = 0; i < 4; ++i)
      blend(v, i, (i + 1) % 4 + 4, (i + 2) % 4 + 8, (i + 3) % 4 + 12, m[s[2 * i + 8]],
            m[s[2 * i + 9]]);
  }
  for (int i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[i + 8];
}

static uint64_t text_hash(const char *text, size_t n) {
  size_t done = 0;
  unsigned char rest[128] = {0};
  uint64_t h[8];
  memcpy(h, blake_start, sizeof h);
  h[0] ^= 0x01010008U;
  for (; n - done > 128; done += 128)
    blake_block(h, (const unsigned char *)text + done, done + 128, 0);
  memcpy(rest, text + done, n - done);
  blake_block(h, rest, n, 1);
  return h[0];
}"""

SIMPLIFIED = """\
/* A whole number is an integer, NAN and no text are missing. */
static prefix_value simplified(prefix_value v) {
  if (v.kind == PREFIX_TEXT) return prefix_text(v.is.text);
  if (v.kind == PREFIX_NATURAL && v.is.natural <= INT64_MAX)
    return prefix_integer((int64_t)v.is.natural);
  if (v.kind == PREFIX_REAL) {
    const double number = v.is.real;
    if (isnan(number)) return prefix_missing();
    if (number >= -0x1p63 && number < 0x1p64 && number == floor(number))
      return number < 0x1p63 ? prefix_integer((int64_t)number) : prefix_natural((uint64_t)number);
  }
  return v;
}"""

VALUE_AT = """\
typedef struct {
  texts texts;
  integers integers;
  naturals naturals;
  reals reals;
  int takes_texts, takes_numbers;
} values;

/* The row of a value, or -1 if training saw none of its type. */
static int32_t value_at(const values *in, prefix_value given) {
  const prefix_value v = simplified(given);
  if (v.kind == PREFIX_MISSING) return MISSING;
  if (v.kind == PREFIX_TEXT)
    return in->takes_texts ? text_at(&in->texts, v.is.text, strlen(v.is.text)) : -1;
  if (!in->takes_numbers) return -1;
  if (v.kind == PREFIX_INTEGER) return integer_at(&in->integers, v.is.integer);
  if (v.kind == PREFIX_NATURAL) return natural_at(&in->naturals, v.is.natural);
  return real_at(&in->reals, v.is.real);
}"""

VALUE_BUCKET = """\
/* The row of a value by its hash, or -1 if training saw none of its type. */
static int32_t value_bucket(uint64_t n, int takes_texts, int takes_numbers,
                               prefix_value given) {
  const prefix_value v = simplified(given);
  uint64_t bits;
  if (v.kind == PREFIX_MISSING) return MISSING;
  if (v.kind == PREFIX_TEXT)
    return takes_texts ? bucket(text_hash(v.is.text, strlen(v.is.text)), n) : -1;
  if (!takes_numbers) return -1;
  if (v.kind == PREFIX_INTEGER)
    bits = (uint64_t)v.is.integer;
  else if (v.kind == PREFIX_NATURAL)
    bits = v.is.natural;
  else
    memcpy(&bits, &v.is.real, sizeof bits);
  return bucket(mixed(bits), n);
}"""

KINDS_OF_VALUE = ("text", "integer", "natural", "real")
KEY = "@"  # in expressions, where a category comes


def write_finder(
    source: Source,
    field: int,
    column: Vocabulary | Buckets,
    kind: str,
    file: TablesFile | None,
    place: int,
) -> str:
    """Write what finds the row of a field; return the expression of it, with ``KEY`` in it.

    ``KEY`` stands for a category. Of values that may be of a wrong type it is -1 then.

    Parameters
    ----------
    source : Source
    field : int
        Its number.
    column : Vocabulary or Buckets
    kind : str
        Of the category that is given. Texts are a pointer and how many bytes there are.
    file : TablesFile or None
        Where large vocabularies are.
    place : int
        Of the column in the file.
    """
    source.use(COMMON)
    if kind == "text" and column.kinds and "strings" not in column.kinds:
        return "-1"
    if isinstance(column, Buckets):
        return _bucket(source, column, kind)
    finders, stored = write_stored(source, field, column, kind, file, place)
    pairs = _sorted(column, kind, stored)
    for of_kind, found in pairs.items():
        _write_keys(source, field, of_kind, found)
    if kind != "value":
        name, keys = f"{kind}s_{field}", _keys_of(field, kind, _rows(pairs[kind]))
        source.write(f"static const {kind}s {name} = {keys};")
        if not finders:
            return f"{kind}_at(&{name}, {KEY})"
        key = "key, n" if kind == "text" else "key"
        _write_chain(source, field, kind, [*finders, f"{kind}_at(&{name}, {key})"])
        return f"look_up_{field}({KEY})"
    source.use(with_prefix(SIMPLIFIED, source.name), with_prefix(VALUE_AT, source.name))
    parts = ", ".join(_keys_of(field, of_kind, _rows(pairs[of_kind])) for of_kind in KINDS_OF_VALUE)
    name = f"values_{field}"
    source.write(f"static const values {name} = {{{parts}, {_takes(column)}}};")
    return f"value_at(&{name}, {KEY})"


def row_of(of: Given, finder: str) -> str:
    """Return the expression of the row that a finder has for what is given."""
    key = f"{of.value}, {of.size or f'strlen({of.value})'}" if of.kind == "text" else of.value
    found, missing = finder.replace(KEY, key), [of.missing] if of.missing else []
    missing += {"text": [f"!{of.value}"], "real": [f"isnan({of.value})"]}.get(of.kind, [])
    return f"{' || '.join(missing)} ? MISSING : {found}" if missing else found


def _bucket(source: Source, column: Buckets, kind: str) -> str:
    n = f"{column.n_buckets}U"
    source.use(BUCKETS)
    if kind in ("integer", "natural"):
        source.use(MIXED)
        return f"bucket(mixed((uint64_t){KEY}), {n})"
    source.use(BLAKE)
    if kind == "text":
        return f"bucket(text_hash({KEY}), {n})"
    simplified, bucket = (with_prefix(text, source.name) for text in (SIMPLIFIED, VALUE_BUCKET))
    source.use(MIXED, simplified, bucket)
    return f"value_bucket({n}, {_takes(column)}, {KEY})"


def _takes(column: Vocabulary | Buckets) -> str:
    """Return whether texts and whether numbers are taken: those of a type that training saw."""
    return ", ".join(
        str(int(not column.kinds or kind in column.kinds)) for kind in ("strings", "numbers")
    )


def _write_chain(source: Source, field: int, kind: str, finders: list[str]) -> None:
    """Write ``look_up_<field>(key)``: the row that the first of the finders knows."""
    keys = {
        "text": "const char *key, size_t n",
        "integer": "int64_t key",
        "natural": "uint64_t key",
    }
    first, *others = finders
    lines = [f"  int32_t row = {first};", *(f"  if (row == UNKNOWN) row = {f};" for f in others)]
    body = "\n".join(lines)
    source.write(f"static int32_t look_up_{field}({keys[kind]}) {{\n{body}\n  return row;\n}}")


def _sorted(column: Vocabulary, kind: str, stored: Set[Any]) -> dict[str, list[tuple[Any, int]]]:
    """Return keys and rows of each kind, in order, but for those that are stored elsewhere."""
    kinds = KINDS_OF_VALUE if kind == "value" else (kind,)
    found: dict[str, list[tuple[Any, int]]] = {each: [] for each in kinds}
    for value, row in column.known().items():
        if value in stored or (kind != "value" and isinstance(value, str) != (kind == "text")):
            continue
        own = _kind_of_value(value) if kind == "value" else kind
        found[own].append((float(value) if own == "real" else value, row))
    for own, pairs in found.items():
        pairs.sort(key=_bytes if own == "text" else None)
    return found


def _bytes(pair: tuple[str, int]) -> bytes:
    return pair[0].encode("utf-8", "surrogatepass")


def _kind_of_value(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if abs(value) < 2**64 and value == int(value) and value >= -(2**63):
        return "integer" if value < 2**63 else "natural"
    return "real"


def _write_keys(source: Source, field: int, kind: str, pairs: list[tuple[Any, int]]) -> None:
    keys, rows, name = [key for key, _ in pairs], _rows(pairs), f"{kind}s_{field}"
    source.use(FINDERS[kind])
    if not pairs:
        return
    if kind == "text":
        source.texts(f"{name}_keys", keys)
    elif kind == "real":
        source.numbers(f"{name}_keys", keys)
    else:
        source.integers(f"{name}_keys", keys, "int64_t" if kind == "integer" else "uint64_t")
    if not _go_on(rows):
        source.integers(f"{name}_rows", rows, "int32_t")


def _rows(pairs: list[tuple[Any, int]]) -> list[int]:
    return [row for _, row in pairs]


def _go_on(rows: list[int]) -> bool:
    return rows == list(range(FIRST, FIRST + len(rows)))


def _keys_of(field: int, kind: str, rows: list[int]) -> str:
    """Return the initializer of keys and rows."""
    name = f"{kind}s_{field}"
    if not rows:
        return "{0, 0, 0}"
    return f"{{{name}_keys, {0 if _go_on(rows) else f'{name}_rows'}, {len(rows)}}}"
