"""Downloads one model: finds out what is missing, and puts all files in place, unpacked and patched.

The order of the steps makes a killed run harmless. A file gets its name when it is right. The manifest stops calling
the outputs finished before the first of them is touched, and calls them finished again after the last. Another process
that wants the same model waits for the lock, and then finds everything there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path

from mixnet_tools.descriptors.file_entries import ModelFile
from mixnet_tools.descriptors.model_yml import ModelDescriptor
from mixnet_tools.downloading import manifest as manifests
from mixnet_tools.downloading.context import DownloadContext
from mixnet_tools.downloading.fetch import FileRequest
from mixnet_tools.downloading.inventory import Inventory, take_inventory
from mixnet_tools.downloading.layout import STATE_FOLDER, Layout
from mixnet_tools.downloading.manifest import FileRecord, LinkRecord, Manifest
from mixnet_tools.downloading.messages import WITHOUT_LOCKS, all_failed, cannot_name, cannot_write, moved_aside
from mixnet_tools.downloading.sources import sources_of
from mixnet_tools.downloading.transport.partial_file import description_of
from mixnet_tools.errors import DescriptorError
from mixnet_tools.files.lock import locked
from mixnet_tools.values import DownloadedFile, DownloadedModel

Outcome = FileRecord | Exception
"""What came of a :class:`FileRequest`."""

Steps = Generator[Sequence[FileRequest], Sequence[Outcome], DownloadedModel]


class ModelJob:
    """The download of ``files`` of ``model`` to ``folder``."""

    def __init__(
        self, model: ModelDescriptor, files: Sequence[ModelFile], folder: Path, context: DownloadContext
    ) -> None:
        self._model, self._files, self._context = model, files, context
        self._layout = Layout.of(model, folder)
        self._fetched = False

    def steps(self) -> Steps:
        """Download the model, as a generator: it yields the files to fetch, and needs to be sent what came of each.

        It holds the model's lock until it ends, and returns the model. Raises a :class:`MixnetToolsError` that names
        every file that could not be fetched.
        """
        self._check_names()
        self._context.progress.model_begin(self._model.name, len(self._files))
        try:
            model = yield from self._download()
            self._all_fetched()
            return model
        except BrokenPipeError:
            raise  # not the disk: whoever read our progress has gone
        except OSError as error:
            raise cannot_write(self._layout.folder, error) from error
        except UnicodeEncodeError as error:
            raise cannot_name(self._layout.folder, error) from error
        finally:
            if not self._fetched:
                self._context.progress.model_end(self._model.name, successful=False)

    def _all_fetched(self) -> None:
        """Report the end of the download, once. Unpacking and patching come after it, as in Open Model Zoo's events."""
        if not self._fetched:
            self._fetched = True
            self._context.progress.model_end(self._model.name, successful=True)

    def _download(self) -> Steps:
        options = self._context.options
        if not options.verify and not options.force:
            inventory = take_inventory(self._model, self._files, self._layout, self._load())
            if inventory.is_complete:
                return self._result(inventory.files, inventory.outputs, {}, up_to_date=True)
        with self._locked():
            manifest = self._load()
            if options.force:
                self._forget()
                inventory = Inventory({}, tuple(self._files), {}, finished=False)
            else:
                inventory = take_inventory(
                    self._model,
                    self._files,
                    self._layout,
                    manifest,
                    verify=options.verify,
                    may_hash=self._context.check_stop,
                )
            outcomes: Sequence[Outcome] = ()
            if inventory.missing:
                size = sum(file.size for file in inventory.missing)
                self._context.progress.files_expected(self._model.name, len(inventory.missing), size)
                outcomes = yield [self._request(file, manifest) for file in inventory.missing]
            return self._finish(manifest, inventory, outcomes)

    def _finish(self, manifest: Manifest, inventory: Inventory, outcomes: Sequence[Outcome]) -> DownloadedModel:
        if self._context.cache:
            self._context.cache.record_uses()
        named = list(zip(inventory.missing, outcomes, strict=True))
        fetched = {file.name: outcome for file, outcome in named if isinstance(outcome, FileRecord)}
        records = inventory.files | fetched
        if failed := {file.name: outcome for file, outcome in named if isinstance(outcome, Exception)}:
            self._save(manifest, records, None)  # the next run need not hash again what this one brought
            raise all_failed(failed)
        inputs = {step.file for step in self._model.postprocessing}
        finished = inventory.finished and not (set(fetched) & inputs)
        outputs = inventory.outputs if finished else self._make_outputs(records, inventory.outputs, manifest)
        self._save(manifest, records, outputs)
        manifests.sweep(self._layout, self._model, records)
        served = {name: record.served_by for name, record in fetched.items()}
        return self._result(records, outputs, served, up_to_date=finished and not fetched)

    def _check_names(self) -> None:
        for index, file in enumerate(self._model.files):
            if file.name.partition("/")[0].casefold() == STATE_FOLDER:
                raise DescriptorError(
                    f"{self._model.path}: files[{index}].name: {STATE_FOLDER!r} is the folder of the downloader itself"
                )

    def _forget(self) -> None:
        """Make everything in the folder count as missing. It stays there until it is replaced."""
        manifests.save(self._layout, Manifest(model=self._model.name))
        for file in self._files:
            partial = self._layout.partial(file.name)
            partial.unlink(missing_ok=True)
            description_of(partial).unlink(missing_ok=True)

    def _request(self, file: ModelFile, manifest: Manifest) -> FileRequest:
        recorded = manifest.files.get(file.name)
        return FileRequest(
            model=self._model.name,
            file=file,
            sources=sources_of(self._model, file, self._context.mirrors),
            partial=self._layout.partial(file.name),
            target=self._layout.delivered(file.name),
            shown_as=self._layout.folder / file.name,
            anew=self._context.options.force,
            known=(recorded.size, recorded.mtime_ns) if recorded else None,
        )

    def _make_outputs(
        self, records: dict[str, FileRecord], right: dict[str, FileRecord | LinkRecord], before: Manifest
    ) -> dict[str, FileRecord | LinkRecord]:
        """Unpack and patch. Outputs that are ``right`` already and come out the same stay untouched."""
        if not self._model.postprocessing:
            return {}
        from mixnet_tools.downloading import postprocessing

        check_stop, progress = self._context.check_stop, self._context.progress
        self._all_fetched()
        progress.postprocessing_begin(self._model.name)
        for remark in postprocessing.make_outputs(self._model, self._layout, records, check_stop):
            progress.note(f"{self._model.name}: {remark}")
        made = postprocessing.record_outputs(self._layout.staging, check_stop)
        same = {
            name: record.model_copy(update={"adopted": False}) if isinstance(record, FileRecord) else record
            for name, record in right.items()
            if name in made and _same_bytes(record, made[name])
        }
        self._save(Manifest(model=self._model.name), records, None)
        for place, aside in postprocessing.commit(self._layout, same, before.outputs):
            progress.note(moved_aside(place, aside))
        progress.postprocessing_end(self._model.name)
        return made | same

    def _load(self) -> Manifest:
        return manifests.load(self._layout, self._model.name)

    def _save(
        self,
        before: Manifest,
        records: dict[str, FileRecord],
        outputs: dict[str, FileRecord | LinkRecord] | None,
    ) -> None:
        """Write the manifest, unless it says the same already. ``outputs`` is None while they are not finished."""
        recipe = manifests.recipe_of(self._model) if outputs is not None else None
        # Files that this run did not ask for (`precisions`) stay known.
        files = {**before.files, **records}
        after = Manifest(model=self._model.name, files=files, recipe=recipe, outputs=outputs or {})
        if after != self._load():
            manifests.save(self._layout, after)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        self._layout.state.mkdir(parents=True, exist_ok=True)
        if not self._context.options.lock:
            return contextlib.nullcontext()
        note = f"{self._model.name}: another process is downloading it, waiting"
        return locked(
            self._layout.lock,
            on_wait=lambda: self._context.progress.note(note),
            check_stop=self._context.check_stop,
            advice=WITHOUT_LOCKS,
        )

    def _result(
        self,
        records: dict[str, FileRecord],
        outputs: dict[str, FileRecord | LinkRecord],
        served: dict[str, str | None],
        *,
        up_to_date: bool,
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
        adopted = tuple(name for name, one in outputs.items() if isinstance(one, FileRecord) and one.adopted)
        return DownloadedModel(self._model.name, self._layout.folder, files, up_to_date, adopted)


def _same_bytes(one: FileRecord | LinkRecord, other: FileRecord | LinkRecord) -> bool:
    if isinstance(one, FileRecord) and isinstance(other, FileRecord):
        return (one.size, one.checksum) == (other.size, other.checksum)
    return one == other
