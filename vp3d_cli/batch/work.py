"""One video: whatever of its results is missing is made, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from vp3d_cli import export, files, keypoints, origin, registry
from vp3d_cli.batch.layout import Layout, is_full, opened
from vp3d_cli.batch.record import Keys, Product, Record, Seen, missing, remember_failure
from vp3d_cli.batch.values import Answer, Beat, Cut, Done, Failed, Job, Setup
from vp3d_cli.errors import DataError, OutputError, VideoError, Vp3dError
from vp3d_cli.options import Span
from vp3d_cli.pipeline import Models, detect_video, lift_keypoints, splitting
from vp3d_cli.results import load_result
from vp3d_cli.types import Keypoints2D, Result

_log = logging.getLogger(__name__)


def do(job: Job, setup: Setup, models: Models, beat: Beat) -> Answer:
    """Do a job; whatever goes wrong is an answer.

    Args:
        job: a video or a part of one.
        setup: what is the same for all.
        models: what its options mean.
        beat: told that work goes on.
    """
    started = monotonic()
    try:
        with opened(setup.root) as layout:
            answer = _Work(job, setup, layout, models, beat).do()
    except Vp3dError as error:
        # Whatever lies in the video, or in what is asked of it, would happen again.
        lasting = isinstance(error, VideoError | DataError)
        answer = Failed(str(error), error.exit_code, lasting, disk_full=is_full(error))
    except MemoryError:
        answer = Failed("there was not enough memory for it", shaken=True)
    except Exception as error:
        _log.debug("%s", job.task.source, exc_info=True)
        answer = Failed(f"unexpected {type(error).__name__}: {error}", shaken=True)
    if isinstance(answer, Failed) and answer.lasting and job.span is None:
        remember_failure(job.task, setup, models.describe(), answer)
    return answer if isinstance(answer, Cut) else replace(answer, seconds=monotonic() - started)


@dataclass
class _Work:
    """One job on its way."""

    job: Job
    setup: Setup
    layout: Layout
    models: Models
    beat: Beat

    def do(self) -> Answer:
        setup, task = self.setup, self.job.task
        if isinstance(setup.root, str):
            self.layout.make_folders()
        self.record = Record.load(self.layout, task)
        self.source = self._read_source()
        if self.record is None or self.record.source != self.source:
            # Whatever happens next, nobody need read the video again to know it.
            self._save(self.record or Record(self.source))
        self.keys = Keys.of(self.source.sha256, task.source.name, setup, self.models.describe())
        if self.job.span is not None:
            return self._detect_span(self.job.span)
        wanted = missing(self.record, self.keys, setup, self.layout, task, quick=False)
        if self.record and not wanted:
            return self._kept(self.record)
        if "npz" not in wanted:
            result = load_result(self.layout.fetch(self.layout.product(task.name, "npz")))
            return self._finish(result, wanted, [])
        found, stages = self._stored(self.layout.found(self.keys.detect)), []
        if found is None and self.job.parts:
            found, stages = self._joined(), ["join"]
        if found is None:
            if spans := self._spans():
                return Cut(spans)
            found, stages = self._detect(), ["detect"]
        result = lift_keypoints(found, setup.options, self.beat, self.models)
        return self._finish(result, wanted, [*stages, "lift"])

    def _kept(self, known: Record) -> Done:
        """All stands; perhaps files were touched, and this spares reading them again."""
        products = dict(known.products)
        for kind in self.setup.products:
            kept = {
                name: Seen.kept(self.layout, self.layout.root / name, seen.sha256)
                for name, seen in products[kind].files.items()
            }
            products[kind] = replace(products[kind], files=kept)
        self._save(replace(known, products=products))
        outputs = known.outputs(self.setup.products)
        return Done((), known.frames, known.people, warnings=known.warnings, outputs=outputs)

    def _read_source(self) -> Seen:
        """The video's content, without reading it where it was not touched."""
        path = self.job.task.source
        if self.record and self.record.source.stands(path):
            return self.record.source
        try:
            return Seen.of(path, lambda: self.beat("read", 0, None))
        except FileNotFoundError:
            raise VideoError(f"{path}: no such file; it was removed or renamed") from None
        except OSError as error:
            raise VideoError(f"{path}: cannot be read: {error.strerror or error}") from error

    @contextmanager
    def _source_at_rest(self) -> Iterator[None]:
        """The video must not change while it is being read."""
        path = self.job.task.source
        broken: Vp3dError | None = None
        try:
            yield
        except Vp3dError as error:
            broken = error
        if not self.source.stands(path):
            how = "changed" if path.exists() else "removed"
            raise VideoError(f"{path}: was {how} while it was being read; run it again") from broken
        if broken:
            raise broken

    def _spans(self) -> tuple[Span, ...]:
        if self.setup.span_s is None or self.job.parts:
            return ()
        return splitting.spans_of(self.job.task.source, self.setup.options, self.setup.span_s)

    def _detect(self) -> Keypoints2D:
        with self._source_at_rest():
            found = detect_video(self.job.task.source, self.setup.options, self.beat, self.models)
        return self._stored_now(found, self.layout.found(self.keys.detect))

    def _detect_span(self, span: Span) -> Done:
        path = self.layout.part(self.keys.detect, span.number, span.count)
        whole = self.layout.found(self.keys.detect)
        if self._stored(path) is not None or self.layout.looks(whole) is not None:
            return Done()
        with self._source_at_rest():
            found = splitting.detect_span(
                self.job.task.source, self.setup.options, span, self.models, self.beat
            )
        if found is None:
            return Done()
        found = self._stored_now(found, path)
        return Done(("detect",), detected=_num_read(found))

    def _joined(self) -> Keypoints2D | None:
        """The whole of the parts; None where they do not make one."""
        paths = [
            self.layout.part(self.keys.detect, span.number, span.count) for span in self.job.parts
        ]
        found = splitting.joined([self._stored(path) for path in paths], self.setup.options)
        if found is None:
            _log.warning(
                "%s: its parts do not make a whole, since its times go back; detected in one piece",
                self.job.task.source,
            )
            return None
        found = self._stored_now(found, self.layout.found(self.keys.detect))
        self.layout.forget_parts(self.keys.detect)
        return found

    def _stored(self, path: Path) -> Keypoints2D | None:
        """2D keypoints that were found before; None where there are none, or they are damaged."""
        if not self.layout.fetch(path).is_file():
            return None
        try:
            found: Keypoints2D = registry.load("keypoints", "vp3d").read(path)
        except DataError as error:
            _log.debug("%s", error)
            return None
        return origin.as_found(found, self.job.task.source.name)

    def _stored_now(self, found: Keypoints2D, path: Path) -> Keypoints2D:
        """Keep 2D keypoints, and go on with what was kept, as a later run would."""
        with self.layout.workshop() as folder:
            keypoints.write(found, folder / path.name)
            self.layout.publish(folder / path.name, path)
        stored = self._stored(path)
        if stored is None:
            raise OutputError(f"{path}: was written, but cannot be read; is the disk sound?")
        return stored

    def _finish(self, result: Result, wanted: tuple[str, ...], stages: list[str]) -> Done:
        """Make what is wanted of a result; each file appears whole, and is put on record."""
        told = Record(
            self.source,
            dict(self.record.products) if self.record else {},
            frames=int(result.provenance["num_frames_read"]),
            people=len(result.tracks2d),
            warnings=tuple(result.provenance["warnings"]),
        )
        for kind in wanted:
            product = Product(self.keys.poses, self._made(kind, result))
            before = told.products.get(kind)
            for name in (before.files.keys() - product.files.keys()) if before else ():
                self.layout.discard(self.layout.root / name)  # of somebody who is not there now
            told = replace(told, products=told.products | {kind: product})
            self._save(told)
            self.beat("write", 0, None)
        for kind, product in told.products.items():
            if kind not in self.setup.products and product.key != self.keys.poses:
                names = ", ".join(product.files)
                _log.warning("%s: of other options; remove it, or ask for it again", names)
        detected = told.frames if "detect" in stages else 0
        if "lift" not in stages and set(wanted) != {"render"}:
            stages.append("write")
        drawn = ["render"] if "render" in wanted else []
        done = Done((*stages, *drawn), told.frames, told.people, detected, told.warnings)
        return replace(done, outputs=told.outputs(self.setup.products))

    def _made(self, kind: str, result: Result) -> dict[str, Seen]:
        """Write one kind of a result; the files by name."""
        target = self.layout.product(self.job.task.name, kind)
        seen: dict[str, Seen] = {}
        with self.layout.workshop() as folder:
            for made in self._written(kind, result, folder / target.name):
                digest, path = files.sha256(made), target.with_name(made.name)
                self.layout.publish(made, path)
                name = path.relative_to(self.layout.root).as_posix()
                seen[name] = Seen.kept(self.layout, path, digest)
        return seen

    def _written(self, kind: str, result: Result, path: Path) -> list[Path]:
        if kind == "render":
            self._render(result, path)
            return [path]
        try:
            return export.write(result, kind, path, video=self.job.task.source)
        except DataError as error:
            if result.tracks3d:
                raise
            _log.warning("%s: %s", self.job.task.source, error)  # nobody found is a result
            return []

    def _save(self, told: Record) -> None:
        record = replace(told, source=self.source, failure=None)
        if record != self.record:
            record.save(self.layout, self.job.task)
            self.record = record

    def _render(self, result: Result, path: Path) -> None:
        from vp3d_cli.render.compose import render_video

        def drawn(done: int, total: int | None) -> None:
            self.beat("render", done, total)

        with self._source_at_rest():
            render_video(result, path, video=self.job.task.source, progress=drawn)


def _num_read(found: Keypoints2D) -> int:
    return 0 if found.frames_read is None else len(found.frames_read)
