"""Readers: what a data set's publishers give becomes entries, one file a family of formats.

A reader is a function of the sources and the report; it knows nothing of tables. Light to import.
"""

from .activitynet import activitynet
from .aihub import aihub
from .captions import csv, folder, jsonl
from .clipcap import clip_gpt, clipcap
from .coco import coco, karpathy
from .flickr import flickr8k, flickr30k
from .msrvtt import msrvtt, nyu
from .msvd import msvd
from .text import text

__all__ = [
    "activitynet",
    "aihub",
    "clip_gpt",
    "clipcap",
    "coco",
    "csv",
    "flickr8k",
    "flickr30k",
    "folder",
    "jsonl",
    "karpathy",
    "msrvtt",
    "msvd",
    "nyu",
    "text",
]
