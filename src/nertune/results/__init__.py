"""What we keep: records, and where they lie."""
