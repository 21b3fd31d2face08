"""The one exception family of the lab."""


class LabError(Exception):
    """Something a student or an instructor can cause, said in three parts.

    Parameters
    ----------
    what : str
        What is wrong, with the offending value.
    allowed : str
        What is allowed instead.
    next_step : str
        What to do next.
    """

    def __init__(self, what: str, allowed: str, next_step: str) -> None:
        super().__init__(what, allowed, next_step)
        self.what, self.allowed, self.next_step = what, allowed, next_step

    def __str__(self) -> str:
        return f"{self.what}\n  Allowed: {self.allowed}\n  Next:    {self.next_step}"

    def _render_traceback_(self) -> list[str]:
        """Show the message without a stack of frames: IPython calls this hook."""
        return [f"{type(self).__name__}: {self}"]
