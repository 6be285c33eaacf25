"""What the captioners' trainers share: caption tables, readers, metrics."""
