"""Cells as the record gives them, for tests of what reads the record."""

from nertune.results.database import CellRow


def make_cell(number=0, point=None, *, state="complete", f1=None, point_id=None, **others):
    """A cell of the search; `f1` is its dev score."""
    values = {
        "id": number + 1,
        "stage": "search",
        "number": number,
        "point": point or {},
        "point_id": point_id or f"{number:016x}",
        "seed": 42,
        "state": state,
        "scores": {"dev": {"f1": f1}} if f1 is not None else {},
        "best_epoch": None,
        "best_step": None,
        "seconds": None,
        "attempts": 1,
        "cause": None,
        "message": None,
    }
    return CellRow(**{**values, **others})
