"""Tables of embeddings in C: arrays of the source, or a model file mapped into memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dcnfast.encode.encoder import TableEncoder
from dcnfast.encode.vocabulary import Vocabulary
from dcnfast.network.compressed import CompressedModel
from dcnfast.network.model import Model
from dcnfast.network.row_codes import code_of
from dcnfast.network.saved import tables_of
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.row import with_prefix
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.model_file import DTYPES, START, FilePath

MOST_INLINE = 2**22  # numbers in a source; a compiler takes a gigabyte for as many

INCLUDES = "#include <fcntl.h>\n#include <sys/mman.h>\n#include <sys/stat.h>\n#include <unistd.h>\n"

DECLARATIONS = """\
/* What is below 0 of the results. */
enum {
  PREFIX_NOT_OPEN = -1,     /* prefix_open comes first */
  PREFIX_NO_FILE = -2,      /* it cannot be read; errno says why */
  PREFIX_OTHER_FILE = -3,   /* it is not the file of this model, or cut off */
  PREFIX_OTHER_MACHINE = -4 /* whose byte order is not that of the file */
};

/* Maps the tables of @ into memory, where all processes share them; returns 0, or what is
   below 0. The size of the file and its digests, which stand at its beginning, must be those of
   this model; the file is not read to compare them with it. To be called once, before
   prefix_predict. */
int prefix_open(const char *path);

/* Gives the memory back; no thread may be in prefix_predict. */
void prefix_close(void);

"""

OPEN = """\
int prefix_open(const char *path) {
  const uint16_t one = 1;
  struct stat about;
  void *memory = MAP_FAILED;
  int file;
  unsigned char first;
  memcpy(&first, &one, 1);
  if (first != 1) return PREFIX_OTHER_MACHINE;
  if (mapped) return 0;
  file = open(path, O_RDONLY);
  if (file < 0) return PREFIX_NO_FILE;
  if (fstat(file, &about) != 0 || (uint64_t)about.st_size != FILE_SIZE) {
    close(file);
    return PREFIX_OTHER_FILE;
  }
  memory = mmap(0, FILE_SIZE, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return PREFIX_NO_FILE;
  if (memcmp(memory, beginning, sizeof beginning - 1) != 0) {
    munmap(memory, FILE_SIZE);
    return PREFIX_OTHER_FILE;
  }
POINTERS
  mapped = memory;
AT_OPEN  return 0;
}

void prefix_close(void) {
  if (mapped) munmap((void *)mapped, FILE_SIZE);
  mapped = 0;
}"""


BFLOAT16 = """\
/* A row of a table of bfloat16, which are the upper halves of floats. */
static void expand_bfloat16(weight *e, const unsigned char *table, size_t at, size_t n) {
  const unsigned char *halves = table + 2 * n * at;
  for (size_t k = 0; k < n; ++k) {
    const uint32_t bits = (uint32_t)halves[2 * k] << 16 | (uint32_t)halves[2 * k + 1] << 24;
    float number;
    memcpy(&number, &bits, sizeof number);
    e[k] = number;
  }
}"""

INT8 = """\
/* A row of a table of int8: a float, and numbers that it is multiplied by. */
static void expand_int8(weight *e, const unsigned char *table, size_t at, size_t n) {
  const unsigned char *numbers = table + (4 + n) * at + 4;
  float scale;
  memcpy(&scale, numbers - 4, sizeof scale);
  for (size_t k = 0; k < n; ++k)
    e[k] = (weight)(numbers[k] < 128 ? numbers[k] : numbers[k] - 256) * (weight)scale;
}"""

FACTORS = """\
/* A row of a table times its factor. */
static void multiply(weight *e, const weight *table, const weight *factors, size_t at, size_t n) {
  for (size_t k = 0; k < n; ++k) e[k] = factors[at] * table[at * n + k];
}"""

MAPPED = "/* The file of the tables, once it is opened. */\nstatic const unsigned char *mapped;"


@dataclass(frozen=True)
class Stored:
    """An array in a model file.

    Parameters
    ----------
    dtype : dtype
    at : int
        The byte where it begins.
    size : int
        Numbers in it.
    """

    dtype: np.dtype[Any]
    at: int
    size: int

    def pointer(self, kind: str) -> str:
        """Return the expression of a pointer to it, which lies as its type must."""
        return f"(const {kind} *)(const void *)(mapped + {self.at})"


@dataclass(frozen=True)
class TablesFile:
    """A model file whose tables are mapped.

    Parameters
    ----------
    name : str
        What the header calls it.
    beginning : bytes
        What its first bytes are, digests of all others among them.
    size : int
        Bytes of all.
    arrays : dict of str to Stored
    """

    name: str
    beginning: bytes
    size: int
    arrays: dict[str, Stored]

    @classmethod
    def of(cls, path: FilePath, name: str) -> TablesFile:
        """Return what is known of a file that was just written, and gets that name."""
        file = Path(path)
        with file.open("rb") as opened:
            length = opened.read(8)
            header = opened.read(int.from_bytes(length, "little"))
        start = START.match(header)
        if start is None:
            raise ValueError(f"{str(path)!r} is no model file of dcnfast")
        data, arrays = 8 + len(header), json.loads(header)
        del arrays["__metadata__"]
        found = {
            name: Stored(
                np.dtype(DTYPES[of["dtype"]]), data + of["data_offsets"][0], prod(of["shape"])
            )
            for name, of in arrays.items()
        }
        beginning = length + header[: start.end()]
        return cls(name, beginning, file.stat().st_size, found)


def check_size(encoder: TableEncoder, model: Model, file: TablesFile | None) -> None:
    """Raise ValueError if a source would be too large to compile."""
    n = model.n_parameters
    if file is not None:
        names = tables_of(model)
        n -= sum(prod(shape) for name, shape, _ in model.network.tensors if name in names)
    else:
        own = {id(column): column for column in encoder.columns}.values()  # some share one
        n += sum(len(column.rows_by_value) for column in own if isinstance(column, Vocabulary))
        n += 0 if encoder.statistics is None else len(encoder.statistics._keys)
    if n > MOST_INLINE:
        hint = '; tables="file" leaves the tables in a model file' if file is None else ""
        raise ValueError(
            f"to_c: {n} numbers and categories would be in the source, want at most {MOST_INLINE}"
            f"{hint}"
        )


def write_tables(
    source: Source, model: Model, p: Mapping[str, npt.NDArray[Any]], file: TablesFile | None
) -> None:
    """Write the tables, or pointers to them and what opens their file."""
    names = tables_of(model)
    if file is None:
        for name in names:
            source.weights(name, p[name])
        return
    pointers = list[str]()
    for name in names:
        kind = _write_table(source, model, name)
        at = file.arrays[f"network.parameters.{name}"].at
        pointers.append(f"  {name} = (const {kind} *)(const void *)((char *)memory + {at});")
    source.write(f"#define FILE_SIZE {file.size}ULL")
    pieces = [file.beginning[i : i + 64] for i in range(0, len(file.beginning), 64)]
    shown = "\n".join(f"    {literals.string_of_bytes(piece)}" for piece in pieces)
    source.write(
        f"/* How the file begins, with its digests. */\nstatic const char beginning[] =\n{shown};"
    )
    at_open = "".join(f"  {line}\n" for line in source.at_open)
    text = OPEN.replace("POINTERS", "\n".join(pointers)).replace("AT_OPEN", at_open)
    source.write(with_prefix(text, source.name))


def _write_table(source: Source, model: Model, name: str) -> str:
    """Write the pointer to a table of the file, and what makes its rows; return its type."""
    stored = model.stored[name] if isinstance(model, CompressedModel) else None
    code = None if stored is None else code_of(stored)
    kind = "weight" if code is None else "unsigned char"
    source.write(f"static const {kind} *{name};")
    factors = name.replace("embedding_", "collision_")
    if code is not None:
        source.use(BFLOAT16 if code == "bfloat16" else INT8)
        source.makers[name] = f"expand_{code}(e, {name}"
    elif model.config.collision_weights and name != factors:
        source.use(FACTORS)
        source.makers[name] = f"multiply(e, {name}, {factors}"
    return kind
