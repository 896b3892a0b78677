"""The weights store: what plugins register and users add, found, fetched, verified and added."""

import re
from pathlib import Path

from mitobench.descriptors import WeightsFile
from mitobench.errors import MissingError, UsageError
from mitobench.hashing import sha256_file
from mitobench.options import ComponentOptions, WeightsRef, suggest
from mitobench.plugins import KINDS, Component, Plugins
from mitobench.weights.cache import AddedWeights, HashCache, cache_root, install, locked, writing
from mitobench.weights.download import Downloader, Progress, describe_content, download, guarded_download
from mitobench.weights.entries import (
    LocatedWeights,
    Verification,
    WeightsEntry,
    added_entry,
    file_name,
    registered_entry,
)

__all__ = ["WeightsStore"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class WeightsStore:
    """The weights that plugins register and that users add, and the cache that holds them.

    Files lie at ``<cache>/weights/<name>-<first 8 digits of the sha256><suffix>``.

    Args:
        plugins: whose descriptors register files.
        cache: the cache folder; :func:`mitobench.weights.cache_root` by default. Made when something is first written.
        offline: never touch the network.
        downloader: writes what a URL gives to a file; HTTP(S) through pooch by default.
    """

    def __init__(
        self,
        plugins: Plugins,
        *,
        cache: Path | None = None,
        offline: bool = False,
        downloader: Downloader = download,
    ) -> None:
        self.folder = (cache if cache is not None else cache_root()) / "weights"
        self.offline = offline
        self._download = downloader
        self._added = AddedWeights(self.folder)
        self._hashes = HashCache(self.folder)
        self._registered: dict[tuple[str, str], tuple[WeightsFile, list[str]]] = {}
        for component in (c for kind in KINDS for c in plugins.components(kind)):
            owner = f"{component.descriptor.kind} {component.descriptor.name}"
            for file in component.descriptor.weights:
                self._registered.setdefault((file.name, file.sha256), (file, []))[1].append(owner)

    def entries(self) -> list[WeightsEntry]:
        """Every known file, registered by a descriptor or added by the user, by name."""
        known = [self._entry(file) for file, _ in self._registered.values()]
        known += [added_entry(file, path) for file, path in self._added.files().values()]
        return sorted(known, key=lambda entry: (entry.file.name, entry.file.sha256))

    def locate(self, component: Component, options: ComponentOptions) -> tuple[LocatedWeights, ...]:
        """The files that a component with these options reads, each verified. Uses no network.

        Raises:
            MissingError: one is absent or not what it should be; says how to get it.
            UsageError: a name that nobody registered.
        """
        return tuple(self._locate(component, reference) for reference in options.weights())

    def fetch(self, name: str, *, progress: Progress | None = None) -> Path:
        """Bring one registered file into the cache, unless it is there and whole. Safe to call concurrently.

        Args:
            name: a registered name.
            progress: called as ``progress(done, total)`` in bytes; ``total`` is the registered size.

        Raises:
            MissingError: offline, the network fails, or what came is not the file that was registered.
            ResourceError: the disk is full.
            UsageError: a name that nobody registered, or that two plugins registered for different files.
        """
        entry = self._find(name)
        if self._is_whole(entry) or not entry.file.url:
            return self._verified(entry)
        if self.offline:
            raise MissingError(f"This is an offline run, and {entry.how_to_get()}")
        with locked(entry.path):
            if not self._is_whole(entry):
                with writing(entry.path) as temporary:
                    guarded_download(
                        self._download, entry.file.url, temporary, _sized(progress, entry), advice=entry.by_hand()
                    )
                    self._check(temporary, entry, f"{entry.file.url} gave")
                self._hashes.sha256(entry.path)
        return entry.path

    def verify(self, name: str | None = None) -> list[Verification]:
        """Hash files again from their bytes: every one that is here, or the named one.

        Raises:
            MissingError: the named one is absent.
            UsageError: a name that nobody registered.
        """
        entries = self.entries() if name is None else [self._find(name)]
        here = [entry for entry in entries if entry.path.is_file()]
        if name is not None and not here:
            raise MissingError(entries[0].how_to_get())
        return [Verification(entry, self._hashes.sha256(entry.path, rehash=True)) for entry in here]

    def add(
        self, path: Path, name: str, *, licence: str = "unknown", citation: str = "", summary: str = ""
    ) -> WeightsEntry:
        """Copy the user's own file into the cache, under a registered name or a new one.

        Args:
            path: the file; left as it is.
            name: letters, digits and ``._+-``; where a plugin registered the name, the SHA-256 must be that plugin's.
            licence: what ``mitobench weights list`` shows for a new name.
            citation: as ``licence``.
            summary: as ``licence``; the file's name by default.

        Raises:
            MissingError: no such file, it is not the file registered under that name, or the cache cannot be written.
            UsageError: a name that is unsafe in paths, or that another file has.
        """
        if not path.is_file():
            raise MissingError(f"{path}: no such file. Give the weights file that is to be added.")
        sha256 = self._hashes.sha256(path, rehash=True)
        registered = [self._entry(file) for file, _ in self._registered.values() if file.name == name]
        if registered:
            entry = next((e for e in registered if e.file.sha256 == sha256), registered[0])
            self._check(path, entry, f"{path} holds")
            if not self._is_whole(entry):
                self._install(path, entry.path, sha256)
            return self._entry(entry.file)
        file = WeightsFile(
            name=self._safe_name(name),
            sha256=sha256,
            size=path.stat().st_size,
            licence=licence,
            citation=citation,
            summary=summary or path.name,
        )
        return self._record(path, file)

    def _record(self, path: Path, file: WeightsFile) -> WeightsEntry:
        target = self.folder / file_name(file, path.name)
        with self._added.lock():
            for other, _ in self._added.files().values():
                same = other.name == file.name and other.sha256 == file.sha256
                if other.name.casefold() == file.name.casefold() and not same:
                    raise UsageError(f"weights {other.name!r} are there and are another file. Choose another name.")
            self._install(path, target, file.sha256)
            self._added.record(file, target)
        return added_entry(file, target)

    def _install(self, source: Path, target: Path, sha256: str) -> None:
        with locked(target):
            install(source, target, expected=sha256)

    def _safe_name(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"weights name {name!r}: expected at most 100 letters, digits and ._+-, beginning with a letter or digit."
            )
        for file, owners in self._registered.values():
            if file.name.casefold() == name.casefold():
                raise UsageError(
                    f"weights name {name!r} differs from {file.name!r} of {owners[0]} in case only. Choose another."
                )
        return name

    def _locate(self, component: Component, reference: WeightsRef) -> LocatedWeights:
        if reference.path is not None:
            if not reference.path.is_file():
                raise MissingError(f"{reference.path}: no such weights file. Give the path of one that is there.")
            path = reference.path
            return LocatedWeights(reference.role, path.name, path, self._hashes.sha256(path))
        own = [f for f in component.descriptor.weights if f.name == reference.name]
        entry = self._entry(own[0]) if own else self._find(reference.name)
        file = entry.file
        path = self._verified(entry)
        return LocatedWeights(reference.role, file.name, path, file.sha256, file.licence, bool(file.bundled))

    def _find(self, name: str) -> WeightsEntry:
        known = self.entries()
        named = [entry for entry in known if entry.file.name == name]
        if not named:
            names = sorted({entry.file.name for entry in known})
            raise UsageError(f"unknown weights {name!r}.{suggest(name, names)} Known: {', '.join(names) or 'none'}.")
        if len(named) > 1:
            owners = " and ".join(entry.owners for entry in named)
            raise UsageError(
                f"weights {name!r} are different files for {owners}. Disable one of their plugins, or add the file with `mitobench weights add`."
            )
        return named[0]

    def _entry(self, file: WeightsFile) -> WeightsEntry:
        return registered_entry(file, self._registered.get((file.name, file.sha256), (file, ()))[1], self.folder)

    def _is_whole(self, entry: WeightsEntry) -> bool:
        return entry.path.is_file() and self._hashes.sha256(entry.path) == entry.file.sha256

    def _verified(self, entry: WeightsEntry) -> Path:
        if not entry.path.is_file():
            raise MissingError(entry.how_to_get())
        self._check(entry.path, entry, f"{entry.path} holds")
        return entry.path

    def _check(self, path: Path, entry: WeightsEntry, found_where: str) -> None:
        found = self._hashes.sha256(path) if path == entry.path else sha256_file(path)
        if found != entry.file.sha256:
            raise MissingError(
                f"weights {entry.file.name!r} of {entry.owners}: {found_where} {path.stat().st_size} bytes with sha256 {found}, "
                f"which is {describe_content(path)}; expected {entry.file.size} bytes with sha256 {entry.file.sha256}. {entry.by_hand()}"
            )


def _sized(progress: Progress | None, entry: WeightsEntry) -> Progress:
    """A progress callback that knows the size where the server does not say it."""

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total or entry.file.size)

    return report
