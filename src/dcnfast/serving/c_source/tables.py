"""Tables of embeddings in C: arrays of the source, or a model file mapped into memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dcnfast.network.model import Model
from dcnfast.network.saved import offsets_of, tables_of
from dcnfast.serving.c_source import literals
from dcnfast.serving.c_source.row import with_prefix
from dcnfast.serving.c_source.source import Source
from dcnfast.serving.model_file import START, FilePath

MOST_INLINE = 2**24  # numbers in a source

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
   this model; the tables themselves are not read. To be called once, before prefix_predict. */
int prefix_open(const char *path);

/* Gives the memory back; no thread may be in prefix_predict. */
void prefix_close(void);

"""

OPEN = """\
static void *mapped;

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
  return 0;
}

void prefix_close(void) {
  if (mapped) munmap(mapped, FILE_SIZE);
  mapped = 0;
}"""


@dataclass(frozen=True)
class TablesFile:
    """A model file whose tables are mapped.

    Parameters
    ----------
    name : str
        What the header calls it.
    beginning : bytes
        What its first bytes are, digests of all others among them.
    data : int
        Where the parameters begin.
    size : int
        Bytes of all.
    """

    name: str
    beginning: bytes
    data: int
    size: int

    @classmethod
    def of(cls, path: FilePath) -> TablesFile:
        """Return what is known of a file that was just written."""
        file = Path(path)
        with file.open("rb") as opened:
            first = opened.read(512)
        start = START.match(first[8:])
        if start is None:
            raise ValueError(f"{str(path)!r} is no model file of dcnfast")
        header = int.from_bytes(first[:8], "little")
        return cls(file.name, first[: 8 + start.end()], 8 + header, file.stat().st_size)


def check_size(model: Model, names: list[str]) -> None:
    """Raise ValueError if a source with these tables would be too large to compile."""
    n = sum(model.averages[name].size for name in names)
    if n > MOST_INLINE:
        raise ValueError(
            f"to_c: the tables have {n} numbers, want at most {MOST_INLINE} in a source; "
            'tables="file" reads them from a model file'
        )


def write_tables(
    source: Source, model: Model, p: Mapping[str, npt.NDArray[Any]], file: TablesFile | None
) -> None:
    """Write the tables, or pointers to them and what opens their file."""
    names = tables_of(model)
    if file is None:
        check_size(model, names)
        for name in names:
            source.weights(name, p[name])
        return
    offsets = offsets_of(model)
    pointers = [
        f"  {name} = (const weight *)(const void *)((char *)memory + {file.data + offsets[name]});"
        for name in names
    ]
    source.write("\n".join(f"static const weight *{name};" for name in names))
    source.write(f"#define FILE_SIZE {file.size}ULL")
    pieces = [file.beginning[i : i + 64] for i in range(0, len(file.beginning), 64)]
    shown = "\n".join(f"    {literals.string_of_bytes(piece)}" for piece in pieces)
    source.write(
        f"/* How the file begins, with its digests. */\nstatic const char beginning[] =\n{shown};"
    )
    text = OPEN.replace("POINTERS", "\n".join(pointers))
    source.write(with_prefix(text, source.name))
