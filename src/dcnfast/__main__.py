"""``python -m dcnfast``: the almond study."""

from dcnfast.cli import main

raise SystemExit(main())
