"""The one error of the harness; its text is what the person at the terminal reads."""


class ClusterError(Exception):
    """A cluster, or a part of one, could not be brought up, used or taken down."""
