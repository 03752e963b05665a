"""Search in big galleries: a persistent faiss index of features, by cosine."""

from .index import Neighbours, SearchIndex, unit_vectors
from .kinds import KINDS, plan_index, train_index
from .store import open_index, save_index

__all__ = [
    "KINDS",
    "Neighbours",
    "SearchIndex",
    "open_index",
    "plan_index",
    "save_index",
    "train_index",
    "unit_vectors",
]
