"""``python -m streamproc`` is the console script."""

from streamproc.cli import main

main()
