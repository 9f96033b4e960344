"""What the user gave: files -> Corpus, and back."""
