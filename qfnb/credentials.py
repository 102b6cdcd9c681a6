"""Keys: texts that nothing shows, and the keys of one account."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from pydantic import SecretStr

from .base.language import tr, tr_noop
from .errors import CredentialsError

PREFIX = "QIANFAN_"


class Secret(SecretStr):
    """A text that is neither shown nor pickled; empty, it is pickled like any other."""

    def __reduce__(self) -> tuple[Any, ...]:
        if self:
            raise TypeError(
                tr(
                    "keys are not pickled: set QIANFAN_API_KEY, or the keys in use, in the other "
                    "process"
                )
            )
        return type(self), ("",)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self


NO_SECRET: Final = Secret("")

MIN_TAILED_CHARS: Final = 24
"""Characters of a key without an id from which its last four are shown."""


@dataclass(frozen=True)
class Credentials:
    """The keys of one account; any of the four kinds may be present.

    Attributes:
        api_key: `bce-v3/ALTAK-...`, for v2 inference.
        access_key, secret_key: the IAM pair, for management and inference.
        ak, sk: an application's pair, for v1 inference.
        access_token: an OAuth token, for v1 inference.
    """

    api_key: Secret = NO_SECRET
    access_key: Secret = NO_SECRET
    secret_key: Secret = NO_SECRET
    ak: Secret = NO_SECRET
    sk: Secret = NO_SECRET
    access_token: Secret = NO_SECRET

    def __post_init__(self) -> None:
        for first, second in (("access_key", "secret_key"), ("ak", "sk")):
            if bool(self.get(first)) != bool(self.get(second)):
                present, absent = (first, second) if self.get(first) else (second, first)
                raise CredentialsError(
                    tr(
                        "{present} is set and {absent} is not: set both, e.g. {prefix}{upper}",
                        present=present,
                        absent=absent,
                        prefix=PREFIX,
                        upper=absent.upper(),
                    )
                )

        if self.api_key.get_secret_value().startswith("ALTAK"):
            raise CredentialsError(
                tr(
                    "api_key holds the access key of an IAM pair (ALTAK...): an API key begins "
                    "with "
                    "bce-v3/ALTAK-; set {prefix}ACCESS_KEY and {prefix}SECRET_KEY, or create an "
                    "API key",
                    prefix=PREFIX,
                )
            )
        for name in ("access_key", "ak", "access_token"):
            if self.get(name).startswith("bce-v3/"):
                raise CredentialsError(
                    tr(
                        "{name} holds an API key (bce-v3/...): set {prefix}API_KEY",
                        name=name,
                        prefix=PREFIX,
                    )
                )

    @classmethod
    def of(cls, values: Mapping[str, str | SecretStr | None]) -> Self:
        """Create credentials from plain or secret text; surrounding blanks and quotes are
        dropped.
        """
        return cls(**{name: _parse_key(name, value) for name, value in values.items() if value})

    def get(self, name: str) -> str:
        """Return one key in clear text; only authentication calls this."""
        secret: Secret = getattr(self, name)
        return secret.get_secret_value()

    def kinds(self) -> tuple[str, ...]:
        """Return which kinds of key are present, without the keys."""
        names = {
            "api_key": tr_noop("API key"),
            "access_key": tr_noop("IAM pair"),
            "ak": "AK/SK",
            "access_token": tr_noop("access token"),
        }
        return tuple(tr(text) for name, text in names.items() if self.get(name))

    @property
    def tail(self) -> str:
        """The end of the key's public id as `***abcdef`, by which users tell keys apart; "" without
        one.

        An API key's secret is behind the id, that of a pair is the second key: neither is shown. Of
        a key without an id it is the last four characters.
        """
        key = self.get("api_key")
        if key.startswith("bce-v3/"):
            return f"***{key.split('/')[1][-6:]}"
        if key:
            return f"***{key[-4:] if len(key) >= MIN_TAILED_CHARS else ''}"
        public_id = self.get("access_key") or self.get("ak")
        if public_id:
            return f"***{public_id[-6:]}"
        if self:
            return "***"
        return ""

    def __bool__(self) -> bool:
        return bool(self.kinds())

    def __iter__(self) -> Iterator[str]:
        """Iterate over the secret texts, so that they can be removed from what is shown."""
        return (value for f in fields(self) if (value := self.get(f.name)))


def secret_in_address(address: str) -> str:
    """Return why a base URL is refused, without quoting it: a secret may be in it; "" where none
    can be.
    """
    if "@" in address:
        return tr("a user name or password in an address is not used; pass the key as api_key")
    if "?" in address or "#" in address:
        return tr("what stands behind ? or # in an address is not used; pass the key as api_key")
    return ""


def _parse_key(name: str, value: str | SecretStr) -> Secret:
    if not isinstance(value, str | SecretStr):
        raise CredentialsError(
            tr("{name} is a {kind}: it must be a string", name=name, kind=type(value).__name__)
        )
    secret = _strip_key(value if isinstance(value, str) else value.get_secret_value())
    del value
    if not _is_key(secret.get_secret_value()):
        raise CredentialsError(
            tr(
                "{name} contains characters that no key has (a blank, a line break or non-ASCII): "
                "copy the key again",
                name=name,
            )
        )
    return secret


def _strip_key(text: str) -> Secret:
    return Secret(text.strip().strip("\"'“”‘’").removeprefix("Bearer ").strip())


def _is_key(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
