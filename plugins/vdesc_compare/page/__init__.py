"""The page: a comparison as one HTML file that a person opens from disk, with nothing fetched from anywhere."""

from .page import write_page

__all__ = ["write_page"]
