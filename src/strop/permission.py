"""What untrusted code may do: the three levels of the ladder, and `Permissions`.

The same record says what a tool *needs* (declared in its item) and what it is *granted* (in the
ledger, bound to the digest of its code). Nothing is enforced here: that is `sandbox/`'s business.

Next file: `expression.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from strop.errors import BadInput
from strop.jsonvalue import Json, JsonObject

__all__ = ["Level", "Permissions"]


class Level(StrEnum):
    """A rung of the permission ladder; each allows what the one below does, and more."""

    SANDBOX = "sandbox"
    """Reads the folders granted to it; writes nowhere; no network."""
    RESTRICTED = "restricted"
    """Also writes, in a scratch folder of its own and in the folders granted for that."""
    FULL = "full"
    """Also uses the network, limited to the hosts granted where any are named."""

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        return _RANKS[self]

    def above(self) -> "Level | None":
        """The next rung; `None` on the top one."""
        order = list(Level)
        return order[self.rank + 1] if self.rank + 1 < len(order) else None


_RANKS = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What code needs, or is granted.

    Attributes:
        level: The rung.
        read: Folders of the host that it may read, as absolute paths.
        write: Folders that it may also write, from `Level.RESTRICTED` on.
        hosts: ``host:port`` addresses that it may connect to, at `Level.FULL`; empty for any.

    Raises:
        BadInput: A path that is not absolute, a host without a port, or more than the level allows.
    """

    level: Level = Level.SANDBOX
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("read", "write", "hosts"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        for text in (*self.read, *self.write, *self.hosts):
            if not text.isprintable():  # a person must be able to read what is granted
                raise BadInput(f"{text!r} holds what does not print", where="permissions")
        for path in (*self.read, *self.write):
            if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
                raise BadInput(
                    f"{path!r} must be an absolute path without '..'", where="permissions"
                )
        for host in self.hosts:
            name, _, port = host.rpartition(":")
            if not name or not port.isdigit() or not 0 < int(port) < 65_536:
                raise BadInput(
                    f"{host!r} must be host:port, for example 'example.com:443'",
                    where="permissions",
                )
        if self.write and self.level is Level.SANDBOX:
            raise BadInput("level 'sandbox' writes nowhere", where="permissions")
        if self.hosts and self.level is not Level.FULL:
            raise BadInput("only level 'full' has a network", where="permissions")

    def covers(self, need: "Permissions") -> bool:
        """Whether code with this `need` can do its work with what is granted here.

        A grant with named hosts covers a need of any host: whoever granted it chose them.
        """
        return (
            self.level.rank >= need.level.rank
            and set(need.read) <= {*self.read, *self.write}
            and set(need.write) <= set(self.write)
            and (not self.hosts or set(need.hosts) <= set(self.hosts))
        )

    def narrowed(self, need: "Permissions") -> "Permissions":
        """What code with this `need` runs with: what it asked for, never more than this grant.

        Least privilege: a tool that earned a higher level than it needs still runs at what it
        needs.

        Raises:
            ValueError: This grant does not cover the need; see `covers`.
        """
        if not self.covers(need):
            raise ValueError(f"a grant of {self.to_json()} does not cover {need.to_json()}")
        return Permissions(
            level=need.level,
            read=need.read,
            write=need.write,
            hosts=(need.hosts or self.hosts) if need.level is Level.FULL else (),
        )

    def to_json(self) -> dict[str, Json]:
        return {
            "level": self.level.value,
            "read": list(self.read),
            "write": list(self.write),
            "hosts": list(self.hosts),
        }

    @classmethod
    def from_json(cls, value: JsonObject) -> "Permissions":
        """The inverse of `to_json`; what is missing is not needed.

        Raises:
            BadInput: An unknown level or field, or a list that does not hold texts.
        """
        if not isinstance(value, Mapping):
            raise BadInput("expected a JSON object", where="permissions")
        unknown = sorted(set(value) - {"level", "read", "write", "hosts"})
        if unknown:
            raise BadInput(f"there is no permission {unknown[0]!r}", where="permissions")
        level = value.get("level", Level.SANDBOX.value)
        if level not in list(Level):
            names = ", ".join(Level)
            raise BadInput(f"there is no level {level!r}; they are {names}", where="permissions")
        return cls(
            level=Level(str(level)), **{n: _texts(value, n) for n in ("read", "write", "hosts")}
        )


def _texts(value: JsonObject, name: str) -> tuple[str, ...]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise BadInput(f"{name!r} must be a list of texts", where="permissions")
    return tuple(str(text) for text in found)
