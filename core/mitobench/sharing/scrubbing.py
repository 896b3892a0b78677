"""Taking out of a run's record what tells where, on what host and by whom it was made.

Paths become names: ``/home/ada/data/x.tif`` is ``x.tif``, and a home folder itself is ``home-folder``. Names of the user and of the host become
``user`` and ``host``. What identifies results (hashes, resolved options, names of images) is never changed; where it holds any of
these, nothing is exported.
"""

import getpass
import os
import platform
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from mitobench.errors import DataError

__all__ = ["Scrubber", "is_foreign_path", "scrub_record"]

_STOP = r"\n\r\t\"'<>|:;,()\[\]{}=`"
_HOME = re.compile(
    rf"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/](?:[^\\/{_STOP}]+(?=[\\/])|[^\\/\s{_STOP}]+)|/root(?![\w.-])"
)
_ABSOLUTE = re.compile(
    r"^(?:/[^/\s]+){2}|(?<![\w.)\]}*+?/-])(?:/[\w.][^/\s]*){2}|(?<!\w)[A-Za-z]:\\\w|(?<![\w\\])\\\\\w+\\\w"
)
_URL = re.compile(r"(?<![\w+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*")
_PATHS = (
    re.compile(rf"(?<![\w.)\]/-])(?:~[^\s/]*|\.\.)?/(?=[^\s/])(?:[^{_STOP}]*/)?"),
    re.compile(rf"(?<!\w)(?:[A-Za-z]:[\\/]|\\\\|~\\|\.\.\\)(?:[^{_STOP}]*[\\/])?"),
)
_KEPT = frozenset({"identity", "citation", "licence", "key", "sha256", "trained_on", "time", "git"})
_REQUEST = frozenset({"time", "cells", "seed", "limit", "settings", "machine", "versions", "git", "rescore"})
_COMMON = frozenset(
    {"admin", "data", "docker", "host", "localhost", "root", "runner", "test", "ubuntu", "user", "users"}
)
_SHORTEST_NAME = 4


def is_foreign_path(value: str) -> bool:
    """Whether a text is a path that leads out of the folder that it is relative to."""
    if value.startswith(("/", "~", "\\\\")) or re.match(r"[A-Za-z]:[\\/]", value) or ".." in value.split("/"):
        return True
    return os.name == "nt" and (bool(PureWindowsPath(value).anchor) or ".." in value.split("\\"))


class Scrubber:
    """Knows what is private: the folders that a run was made in and from, the user and the host.

    Args:
        folders: absolute paths that must not appear.
        user, host: names that must not appear; by default those of this process.
    """

    def __init__(self, folders: Iterable[str] = (), *, user: str | None = None, host: str | None = None) -> None:
        private = {text.rstrip("/\\") for text in (str(Path.home()), *folders)}
        self._folders = sorted((f for f in private if len(re.findall(r"[\\/]", f)) > 1), key=len, reverse=True)
        self._names = {
            name: kind
            for kind, name in (("user", _user() if user is None else user), *_hosts(_host() if host is None else host))
            if len(name) >= _SHORTEST_NAME and name.lower() not in _COMMON
        }

    @classmethod
    def of_run(cls, path: Path, record: Mapping[str, Any]) -> "Scrubber":
        """One that knows the folders that a run's record names."""
        parts = [cell[part] for cell in record["cells"].values() for part in ("data", "prompter", "segmenter")]
        bases = {str(part["base"]) for part in (*parts, *record["metrics"].values())}
        return cls({str(path.absolute()), str(path.resolve()), str(Path.cwd()), *bases})

    def text(self, text: str) -> str:
        """A message or label with paths reduced to names, and no name of user or host."""
        for folder in self._folders:
            text = re.sub(rf"{re.escape(folder)}(?![\w.-])", _nameless, text)
        text = _HOME.sub(_nameless, text)
        text = _URL.sub(lambda match: _last(match[0]), text)
        for pattern in _PATHS:
            text = pattern.sub("", text)
        for name, kind in self._names.items():
            text = _word(name).sub(kind, text)
        return text

    def given(self, value: Any, *, path: bool) -> Any:
        """The value of an option: a path, or a text that looks like one, becomes its last part."""
        if isinstance(value, Mapping):
            return {name: self.given(each, path=path) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.given(each, path=path) for each in value]
        if not isinstance(value, str):
            return value
        if path or is_foreign_path(value):
            name = _last(self.text(value))
            return "home-folder" if is_foreign_path(name) else name
        private = any(folder in value for folder in self._folders) or self._named(value)
        return self.text(value) if private else value

    def check(self, texts: Iterable[str], what: str, *, names: bool = True) -> None:
        """Raise DataError where one of these texts, which cannot be changed, tells where or by whom a run was made.

        Args:
            texts: to look through.
            what: they are, for the message.
            names: whether the names of user and host count too; not in texts that mitobench itself chose.
        """
        for text in texts:
            if _ABSOLUTE.search(text) or _HOME.search(text) or any(folder in text for folder in self._folders):
                found, remedy = "a path of this computer", "absolute paths"
            elif names and self._named(text):
                found, remedy = "the name of this computer or of its user", "it"
            else:
                continue
            raise DataError(
                f"{what} {text!r} holds {found}, and what it identifies would change with it; nothing was exported. "
                f"Name images and options without {remedy} and run again."
            )

    def _named(self, text: str) -> bool:
        """Whether the name of the user or of the host occurs in a text, as a word."""
        return any(_word(name).search(text) for name in self._names)


def scrub_record(
    record: Mapping[str, Any], scrubber: Scrubber, path_options: Callable[[str, str], frozenset[str] | None]
) -> dict[str, Any]:
    """``run.json`` without what is private.

    Args:
        record: what it says.
        scrubber: knows what is private.
        path_options: the options of a component (kind, reference) that are paths; None where it is not installed.

    Raises:
        DataError: an identity holds a private path, or an option the name of user or host.
    """

    def component(kind: str, found: Mapping[str, Any]) -> dict[str, Any]:
        paths = path_options(kind, str(found["identity"]["component"]))
        given = {
            name: scrubber.given(value, path=_is_path(value) if paths is None else name in paths)
            for name, value in found["given"].items()
        }
        scrubber.check(_texts(found["identity"]), "an option", names=False)
        scrubber.check(_texts(list(found["identity"]["options"].values())), "an option")
        return {**_walk(found, scrubber), "given": given, "base": ""}

    return {
        "schema": record["schema"],
        "cells": {
            key: {
                **_walk(cell, scrubber),
                **{kind: component(kind, cell[kind]) for kind in ("data", "prompter", "segmenter")},
            }
            for key, cell in record["cells"].items()
        },
        "metrics": {key: component("metric", metric) for key, metric in record["metrics"].items()},
        "requests": [
            {name: _walk(value, scrubber) for name, value in request.items() if name in _REQUEST}
            for request in record["requests"]
        ],
    }


def _word(name: str) -> re.Pattern[str]:
    """A name that is not part of a longer word; ``_`` parts words, as in names of files."""
    return re.compile(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", re.IGNORECASE)


def _walk(value: Any, scrubber: Scrubber) -> Any:
    if isinstance(value, Mapping):
        return {name: each if name in _KEPT else _walk(each, scrubber) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(each, scrubber) for each in value]
    return scrubber.text(value) if isinstance(value, str) else value


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from (name, *_texts(each))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and ("/" in value or "\\" in value)


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("/\\"))[-1]


def _nameless(match: re.Match[str]) -> str:
    """A folder that stands for a private one, in its style of path."""
    return "C:\\home-folder" if "\\" in match[0] else "/home-folder"


def _hosts(host: str) -> tuple[tuple[str, str], ...]:
    return ("host", host), ("host", host.partition(".")[0])


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _host() -> str:
    return platform.node() or socket.gethostname()
