"""compare: captioners side by side on one video; and the writer `html`, which makes the same page of one run."""
