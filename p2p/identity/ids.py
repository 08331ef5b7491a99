"""Names that cannot be claimed, only computed."""

import hashlib
from typing import NewType

NodeId = NewType("NodeId", bytes)
"""A node: the first 16 bytes of the SHA-256 of its public key (DER SubjectPublicKeyInfo)."""

MeshId = NewType("MeshId", bytes)
"""A mesh: the first 8 bytes of the SHA-256 of its root's public key (DER SubjectPublicKeyInfo)."""

node_id_bytes = 16
mesh_id_bytes = 8


def node_id(public_key_der: bytes) -> NodeId:
    """Return the id of the node that owns this public key (DER SubjectPublicKeyInfo)."""
    return NodeId(hashlib.sha256(public_key_der).digest()[:node_id_bytes])


def mesh_id(root_public_key_der: bytes) -> MeshId:
    """Return the id of the mesh that this root key (DER SubjectPublicKeyInfo) founded."""
    return MeshId(hashlib.sha256(root_public_key_der).digest()[:mesh_id_bytes])


def mesh_name(mesh: MeshId) -> str:
    """Return the DNS name under which any member answers: `<mesh>.mesh`."""
    return f"{mesh.hex()}.mesh"


def node_name(node: NodeId, mesh: MeshId) -> str:
    """Return the DNS name of one node: `<node>.<mesh>.mesh`."""
    return f"{node.hex()}.{mesh_name(mesh)}"
