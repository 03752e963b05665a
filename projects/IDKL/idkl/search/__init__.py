"""Search in big galleries: a persistent faiss index of features, or a collection of Milvus, by cosine."""

from .device import DEVICES
from .gallery import FolderGallery, Gallery, Match
from .index import Neighbours, SearchIndex, unit_vectors
from .kinds import KINDS, plan_index, train_index
from .milvus import MilvusGallery
from .store import open_index, save_index

__all__ = [
    "DEVICES",
    "KINDS",
    "FolderGallery",
    "Gallery",
    "Match",
    "MilvusGallery",
    "Neighbours",
    "SearchIndex",
    "open_index",
    "plan_index",
    "save_index",
    "train_index",
    "unit_vectors",
]
