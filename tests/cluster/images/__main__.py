"""The command line: `python -m cluster.images [build | list | paths | push] [NAME...]`.

`paths` prints NAME<TAB>ARCHIVE for whoever loads the images, building what is missing first.
`push` brings all of them to the registry in REGISTRY (with the tag in TAG, else the version) and
prints the chart's values that run them.
Answers go to standard output, progress to standard error.
"""

import argparse
import os
import sys

from cluster.errors import ClusterError
from cluster.images.ensure import ensure_images, find_images
from cluster.images.publish import push, values
from cluster.images.reading import layer_sizes
from cluster.progress import say, timed


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    parser = argparse.ArgumentParser(prog="cluster.images", description=__doc__)
    parser.add_argument("verb", nargs="?", default="build", choices=sorted(_VERBS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="api, operator, postgres")
    options = parser.parse_args(arguments)
    try:
        _VERBS[options.verb](options.names)
    except ClusterError as exc:
        say(f"error: {exc}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _build(names: list[str]) -> None:
    with timed("images ready"):
        ensure_images(names)


def _paths(names: list[str]) -> None:
    for image in ensure_images(names):
        print(f"{image.name}\t{image.tar}")


def _list(names: list[str]) -> None:
    for entry, archive in find_images(names):
        if archive.exists():
            size = sum(layer_sizes(archive)) / 1_000_000
            print(f"{entry.key}\t{entry.image}\t{archive.name}\t{size:.0f} MB")
        else:
            print(f"{entry.key}\t{entry.image}\t{archive.name}\tnot built")


def _push(names: list[str]) -> None:
    if names:
        raise ClusterError("push takes no names: the images of one version belong together")
    print(values(push(os.environ.get("REGISTRY", ""), tag=os.environ.get("TAG", ""))), end="")


_VERBS = {"build": _build, "list": _list, "paths": _paths, "push": _push}

if __name__ == "__main__":
    sys.exit(main())
