"""Weights: which files there are, where they lie, and how they get there. Files are hashed and copied, never unpickled."""

from mitobench.weights.cache import CACHE_VARIABLE, cache_root
from mitobench.weights.download import Downloader, Progress, download
from mitobench.weights.entries import LocatedWeights, Verification, WeightsEntry
from mitobench.weights.store import WeightsStore

__all__ = [
    "CACHE_VARIABLE",
    "Downloader",
    "LocatedWeights",
    "Progress",
    "Verification",
    "WeightsEntry",
    "WeightsStore",
    "cache_root",
    "download",
]
