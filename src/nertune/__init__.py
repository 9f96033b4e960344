"""nertune: the best setting for fine-tuning an encoder on annotated text, with honest scores over seeds."""

__version__ = "0.1.0"
