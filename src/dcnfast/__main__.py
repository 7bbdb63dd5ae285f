"""``python -m dcnfast``: the almond study."""

from dcnfast.commands.cli import main

raise SystemExit(main())
