"""The desired state: `build_all` turns one ServiceLayer into the list of objects it wants.

The invariant: same arguments, same bytes. No client, no clock, no randomness; the resource is never
changed. The list is in apply order: what others refer to comes first.
"""

from servicelayer_operator.manifests.build import build_all
from servicelayer_operator.manifests.manifest import BuildInputs, Claim, Gate, Manifest, ObjectKey

__all__ = ["BuildInputs", "Claim", "Gate", "Manifest", "ObjectKey", "build_all"]
