"""`python -m vp3d_cli` is `vp3d`."""

from vp3d_cli.cli.main import main

main()
