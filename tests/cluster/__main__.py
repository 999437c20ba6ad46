"""The command line: `python -m cluster up | down | status | load | tools | ...`.

Answers go to standard output, progress to standard error. Exit code 1 with one message when
something cannot be done; a traceback only when the harness itself is wrong.
"""

import argparse
import signal
import sys
from pathlib import Path

from cluster import choice, leftovers, provisioner
from cluster.control_plane import ControlPlane
from cluster.errors import ClusterError
from cluster.families import PROGRAMS
from cluster.progress import say
from cluster.toolchain import program


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _VERBS[options.verb](options)
    except ClusterError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("up", help="bring a real cluster up, or say that it is up")
    verbs.add_parser("down", help="take it down and leave nothing behind but the cache")
    verbs.add_parser("status", help="say what runs; exit 1 when no cluster is up")
    verbs.add_parser("kubeconfig", help="print the path of the kubeconfig")
    verbs.add_parser("leftovers", help="list what a cluster left on this machine; exit 1 if any")
    verbs.add_parser("control-plane", help="run a light control plane until interrupted")
    load = verbs.add_parser("load", help="import image archives into the cluster")
    load.add_argument("archives", nargs="+", type=Path, metavar="IMAGE.tar")
    tools = verbs.add_parser("tools", help="build programs when missing and print their paths")
    tools.add_argument("names", nargs="*", metavar="NAME", help=", ".join(sorted(PROGRAMS)))
    provision = verbs.add_parser("provisioner", help="make volumes for claims (started by up)")
    provision.add_argument("folder", type=Path)
    return parser


def _up(_: argparse.Namespace) -> int:
    choice.up().describe()
    return 0


def _down(_: argparse.Namespace) -> int:
    choice.down()
    return 0


def _status(_: argparse.Namespace) -> int:
    cluster = choice.current()
    if cluster is None:
        print("no cluster is up")
        return 1
    cluster.describe()
    return 0 if choice.healthy(cluster) else 1


def _kubeconfig(_: argparse.Namespace) -> int:
    cluster = choice.current()
    if cluster is None:
        raise ClusterError("no cluster is up; bring one up with: make cluster")
    print(cluster.kubeconfig)
    return 0


def _leftovers(_: argparse.Namespace) -> int:
    found = leftovers.find()
    for line in found:
        print(line)
    return 1 if found else 0


def _load(options: argparse.Namespace) -> int:
    cluster = choice.current()
    if cluster is None:
        raise ClusterError("no cluster is up; bring one up with: make cluster")
    for archive in options.archives:
        for name in cluster.load_image(archive):
            print(name)
    return 0


def _tools(options: argparse.Namespace) -> int:
    for name in options.names or sorted(PROGRAMS):
        print(program(name))
    return 0


def _control_plane(_: argparse.Namespace) -> int:
    with ControlPlane() as plane:
        print(plane.kubeconfig, flush=True)
        say(f"API server {plane.server}, audit log {plane.audit_log}; interrupt to end")
        while True:
            # A signal ends the wait early; a dead part is noticed within a second.
            signal.sigtimedwait({signal.SIGUSR1}, 1)
            plane.check()


def _provisioner(options: argparse.Namespace) -> int:
    return provisioner.run(options.folder)


_VERBS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "kubeconfig": _kubeconfig,
    "leftovers": _leftovers,
    "load": _load,
    "tools": _tools,
    "control-plane": _control_plane,
    "provisioner": _provisioner,
}

if __name__ == "__main__":
    # A terminated run must tidy up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
