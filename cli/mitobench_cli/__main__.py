"""``python -m mitobench_cli`` is ``mitobench``."""

from mitobench_cli.main import main

main()
