"""Where the C API is: ``dcnfast.h``, and the library with its functions. See docs/c_api.md."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = {"win32": "dcnfast.dll", "darwin": "libdcnfast.dylib"}


def get_include() -> str:
    """Return the folder with ``dcnfast.h``, for ``-I``."""
    return str(FOLDER / "include")


def get_library() -> str:
    """Return the path of the library with the functions of ``dcnfast.h``.

    Raises
    ------
    FileNotFoundError
        If dcnfast was built without it.
    """
    path = FOLDER / NAMES.get(sys.platform, "libdcnfast.so")
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path.name} in {FOLDER}: dcnfast was built with DCNFAST_C_API=OFF"
        )
    return str(path)
