"""One model, from whatever is there to all files in place, unpacked and patched.

The order of steps is what keeps a killed run harmless: a file gets its name when it is right, the manifest stops
calling the outputs finished before the first of them is touched, and calls them finished after the last. Another
process that wants the same model waits at the lock, and then finds everything there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixnet_tools.descriptors.model_yml import ModelDescriptor, ModelFile
from mixnet_tools.downloading import manifest as manifests
from mixnet_tools.downloading.cache import Cache
from mixnet_tools.downloading.fetch import Errand, Fetcher
from mixnet_tools.downloading.inventory import Stock, take_stock
from mixnet_tools.downloading.layout import Layout
from mixnet_tools.downloading.manifest import FileRecord, LinkRecord, Manifest
from mixnet_tools.downloading.messages import cannot_write
from mixnet_tools.downloading.parallel import run_each
from mixnet_tools.downloading.sources import places
from mixnet_tools.downloading.transport.partial_file import adopt
from mixnet_tools.files.lock import locked
from mixnet_tools.progress import Progress
from mixnet_tools.values import DownloadedFile, DownloadedModel

FROM_CACHE = "the cache"
"""``served_by`` of a file that came from the cache."""


@dataclass(frozen=True)
class Workshop:
    """What all models of a run share: who fetches, from where else, how many transfers at once, and who listens."""

    fetcher: Fetcher
    cache: Cache | None
    mirrors: tuple[str, ...]
    slots: threading.Semaphore
    jobs: int
    stop: threading.Event
    progress: Progress


class ModelJob:
    """The download of ``files`` of ``model`` to ``folder``."""

    def __init__(self, model: ModelDescriptor, files: Sequence[ModelFile], folder: Path, shop: Workshop) -> None:
        self._model, self._files, self._shop = model, files, shop
        self._layout = Layout.of(model, folder)

    def run(self, *, verify: bool, force: bool) -> DownloadedModel:
        """Do what is left to do. Raises :class:`MixnetToolsError` of the first file that could not be had."""
        if not verify and not force:
            manifest = manifests.load(self._layout, self._model.name)
            stock = take_stock(self._model, self._files, self._layout, manifest)
            if stock.is_complete:
                return self._result(stock.files, {}, up_to_date=True)
        try:
            with self._locked():
                return self._run_locked(verify=verify, force=force)
        except BrokenPipeError:
            raise  # not the disk: whoever read our progress has gone
        except OSError as error:
            raise cannot_write(self._layout.folder, error) from error

    def _run_locked(self, *, verify: bool, force: bool) -> DownloadedModel:
        manifest = manifests.load(self._layout, self._model.name)
        if force:
            self._forget()
            stock = Stock({}, tuple(self._files), {}, finished=False)
        else:
            stock = take_stock(
                self._model,
                self._files,
                self._layout,
                manifest,
                verify=verify,
                may_hash=self._shop.fetcher.check_stop,
            )
        fetched = self._fetch_all(stock, manifest, use_cache=not force) if stock.missing else {}
        records = stock.files | fetched
        finished = stock.finished and not (set(fetched) & self._inputs())
        outputs = stock.outputs if finished else self._make_outputs(records, stock.outputs)
        self._save(manifest, records, outputs)
        manifests.sweep(self._layout, self._model, records)
        served = {name: record.served_by for name, record in fetched.items()}
        return self._result(records, served, up_to_date=finished and not fetched)

    def _inputs(self) -> set[str]:
        return {step.file for step in self._model.postprocessing}

    def _forget(self) -> None:
        """Make everything in the folder count as not there, while it stays until it is replaced."""
        manifests.save(self._layout, Manifest(model=self._model.name))
        for file in self._files:
            part = self._layout.part(file.name)
            part.unlink(missing_ok=True)
            part.with_name(part.name + ".json").unlink(missing_ok=True)

    def _fetch_all(self, stock: Stock, manifest: Manifest, *, use_cache: bool) -> dict[str, FileRecord]:
        self._shop.progress.files_expected(
            self._model.name, len(stock.missing), sum(file.size for file in stock.missing)
        )
        outcomes = run_each(
            lambda file: self._fetch(file, use_cache=use_cache), stock.missing, self._shop.jobs, self._shop.stop
        )
        named = list(zip(stock.missing, outcomes, strict=True))
        fetched = {file.name: outcome for file, outcome in named if isinstance(outcome, FileRecord)}
        failures = [outcome for _, outcome in named if isinstance(outcome, Exception)]
        if failures:
            # The next run need not hash again what this one brought.
            self._save(manifest, stock.files | fetched, None)
            raise failures[0]
        return fetched

    def _fetch(self, file: ModelFile, *, use_cache: bool) -> FileRecord:
        shop, name = self._shop, self._model.name
        while not shop.slots.acquire(timeout=0.2):
            shop.fetcher.check_stop()
        try:
            shop.progress.file_begin(name, file.name, file.size)
            successful = False
            try:
                record = self._fetch_now(file, use_cache=use_cache)
                successful = True
                return record
            finally:
                shop.progress.file_end(name, file.name, successful)
        finally:
            shop.slots.release()

    def _fetch_now(self, file: ModelFile, *, use_cache: bool) -> FileRecord:
        target = self._layout.delivered(file.name)
        part = self._layout.part(file.name)
        if use_cache:
            _clear_away(file, target, part)
        cache, fetcher = self._shop.cache, self._shop.fetcher
        temporary = part.with_suffix(".cached")
        if use_cache and cache and cache.fetch(file.checksum, file.size, temporary, target, fetcher.check_stop):
            return _record(file, target, FROM_CACHE)
        known_places = places(self._model, file, self._shop.mirrors)
        served_by = fetcher.fetch(
            Errand(file, known_places, part, target, self._layout.folder / file.name),
            lambda count: self._shop.progress.file_progress(self._model.name, file.name, count),
        )
        if cache:
            cache.store(file.checksum, target)
        return _record(file, target, served_by)

    def _make_outputs(
        self, records: dict[str, FileRecord], right: dict[str, FileRecord | LinkRecord]
    ) -> dict[str, FileRecord | LinkRecord]:
        """Unpack and patch; of the outputs that are ``right`` already, those that come out the same stay untouched."""
        if not self._model.postprocessing:
            return {}
        from mixnet_tools.downloading import postprocessing as postprocess

        stop = self._shop.fetcher.check_stop
        self._shop.progress.postprocessing_begin(self._model.name)
        postprocess.make_outputs(self._model, self._layout, records, stop)
        made = postprocess.record_outputs(self._layout.staging, stop)
        same = {name: record for name, record in right.items() if name in made and _same_bytes(record, made[name])}
        self._save(Manifest(model=self._model.name), records, None)
        postprocess.commit(self._layout, same)
        self._shop.progress.postprocessing_end(self._model.name)
        return made | same

    def _save(
        self,
        before: Manifest,
        records: dict[str, FileRecord],
        outputs: dict[str, FileRecord | LinkRecord] | None,
    ) -> None:
        """Write the manifest, unless it says the same already; ``outputs`` None says that they are not finished."""
        recipe = manifests.recipe_of(self._model) if outputs is not None else None
        # Files that this run did not ask for (--precisions) stay known.
        files = {**before.files, **records}
        after = Manifest(model=self._model.name, files=files, recipe=recipe, outputs=outputs or {})
        if after != manifests.load(self._layout, self._model.name):
            manifests.save(self._layout, after)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        """Other processes that want this model wait meanwhile."""
        self._layout.state.mkdir(parents=True, exist_ok=True)
        return locked(
            self._layout.lock,
            on_wait=lambda: self._shop.progress.note(f"{self._model.name}: another process is downloading it, waiting"),
            check_stop=self._shop.fetcher.check_stop,
        )

    def _result(
        self, records: dict[str, FileRecord], served: dict[str, str | None], *, up_to_date: bool
    ) -> DownloadedModel:
        files = tuple(
            DownloadedFile(
                name=file.name,
                path=self._layout.folder / file.name,
                size=records[file.name].size,
                checksum=file.checksum,
                served_by=served.get(file.name),
            )
            for file in self._files
        )
        return DownloadedModel(self._model.name, self._layout.folder, files, up_to_date)


def _same_bytes(one: FileRecord | LinkRecord, other: FileRecord | LinkRecord) -> bool:
    if isinstance(one, FileRecord) and isinstance(other, FileRecord):
        return (one.size, one.checksum) == (other.size, other.checksum)
    return one == other


def _record(file: ModelFile, path: Path, served_by: str) -> FileRecord:
    mtime_ns = path.stat().st_mtime_ns
    return FileRecord(size=file.size, checksum=file.checksum, mtime_ns=mtime_ns, served_by=served_by)


def _clear_away(file: ModelFile, target: Path, part: Path) -> None:
    """Take a wrong file away from the name of a right one, and go on from it if it may be the beginning.

    omz_downloader writes under the final name, so a run of it that was killed leaves just that. A file with other
    names (a link from a cache) is not written to.
    """
    try:
        known = target.lstat()
    except OSError:
        return
    if not stat.S_ISREG(known.st_mode) and not stat.S_ISLNK(known.st_mode):
        return  # a folder, for one: renaming onto it fails, and the error says so
    may_continue = stat.S_ISREG(known.st_mode) and known.st_nlink == 1 and 0 < known.st_size < file.size
    if may_continue and not part.exists():
        adopt(target, part, file.checksum)
    else:
        os.unlink(target)
