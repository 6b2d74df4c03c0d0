"""An observer of progress that remembers what it was told."""

from dopantfit.workflow.progress import WorkProgress


class Observed:
    """Keeps everything. told: name of the work, words, and how much is done."""

    def __init__(self):
        self.lines: list[str] = []
        self.shown: list[WorkProgress] = []
        self.told: list[tuple[str, str, float]] = []

    def show(self, work, progress):
        """Remember how far work is."""
        self.shown.append(progress)
        self.told.append((work, progress.text, progress.done))

    def say(self, line):
        """Remember a line."""
        self.lines.append(line)
