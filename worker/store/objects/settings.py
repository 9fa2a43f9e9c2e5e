"""Where jobs are kept, as an operator says it."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class SharedStoreSettings(BaseSettings):
    """A part of the worker's settings. Those with AWS in their names are what every client of such a store reads."""

    store: str = Field(
        default="",
        description="Where jobs are kept: `s3://bucket/prefix` in an S3-compatible object store that several machines "
        "share, see [Several machines](FLEET.md); empty: in the data directory",
    )
    aws_endpoint_url: str = Field(
        default="",
        validation_alias=AliasChoices("AWS_ENDPOINT_URL", "aws_endpoint_url"),
        description="Address of that store: `https://store.lan:8333`; empty: Amazon's",
    )
    aws_access_key_id: str = Field(
        default="",
        validation_alias=AliasChoices("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
        description="Key to that store; empty: what the machine's role gives, on Amazon's own machines",
    )
    aws_secret_access_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
        description="The secret that belongs to the key",
    )
    aws_region: str = Field(
        default="",
        validation_alias=AliasChoices("AWS_REGION", "aws_region"),
        description="Region of that store; others than Amazon take any, such as `us-east-1`",
    )

    @field_validator("store")
    @classmethod
    def _check_store(cls, url: str) -> str:
        scheme, _, rest = url.strip().partition("://")
        if url.strip() and (scheme.lower() != "s3" or not rest.strip("/")):
            raise ValueError("It is not of the form s3://bucket or s3://bucket/prefix.")
        if set(rest) & set("@?#"):  # it is shown to people, and would take a key along
            raise ValueError(
                "It holds more than s3://bucket/prefix. Keys belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        return url.strip()

    @property
    def store_config(self) -> dict[str, str]:
        """What is set of it, by the names that the client takes."""
        said = {
            "endpoint": self.aws_endpoint_url,
            "access_key_id": self.aws_access_key_id,
            "secret_access_key": self.aws_secret_access_key.get_secret_value(),
            "region": self.aws_region,
        }
        return {name: value for name, value in said.items() if value}
