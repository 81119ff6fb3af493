"""Files of paired 2D and 3D sequences: one format a file.

The name of a file here is the name of its format, which `--format` takes. It defines

- `DESCRIPTION: str`: one line for help
- `SUFFIX: str`: of its files, for finding them in a folder
- `COMPANION: str`: suffix of the file that goes with the data (".json" for cameras), or ""
- `TOGETHER: bool`: all its files are one data set; otherwise each is one
- `recognise(path: Path) -> bool`: looks at the content, cheaply, and never raises
- `read(paths: tuple[Path, ...], choice: Choice) -> Iterator[Sequence]`: raises DataError
"""
