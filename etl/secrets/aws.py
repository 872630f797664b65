"""The store AWS Secrets Manager: `db` of the tenant `acme` is the secret `<path>/acme/db`.

Belongs here: reading with boto3, and what its errors mean. Not here: the keys of a bucket (`etl.lake.s3_store`).

A secret is a text. Where the text is a JSON object, its members are the secret's keys.
"""

from dataclasses import dataclass, field
from typing import Any

from etl.errors import SecretError, SecretStoreError
from etl.extras import install
from etl.secrets.contract import TIMEOUT, SecretContent, refused, unanswered, values_of_text, within
from etl.secrets.scrub import learn

_LOGIN = (
    "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "ExpiredToken",
    "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationTokenException",
)  # fmt: skip
_FORBIDDEN = ("this login may not read it", "allow secretsmanager:GetSecretValue, and kms:Decrypt of its key")
_BAD = {
    "ResourceNotFoundException": (
        "there is no such secret",
        "write it there, or correct the name, the region or the account",
    ),
    "InvalidRequestException": ("it is marked for deletion", "restore it: aws secretsmanager restore-secret"),
    "AccessDeniedException": _FORBIDDEN,
    "AccessDenied": _FORBIDDEN,
    "DecryptionFailure": (
        "its key of KMS does not decrypt it",
        "allow kms:Decrypt, and look whether the key is enabled",
    ),
}
"""What is wrong with the secret, and the remedy, by the code of AWS."""


@dataclass(frozen=True)
class AwsSecrets:
    """Secrets of one account and region. The version is the id that AWS gives to each version."""

    path: str
    region: str = ""
    address: str = ""
    """Another endpoint, such as a VPC's; empty: the region's."""
    certificate: str = ""
    key_id: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    store: str = "aws"
    is_remote: bool = True

    def place(self, tenant: str, name: str, key: str) -> str:  # noqa: ARG002  the protocol of a store
        """The region, and the name of the secret."""
        return f"{self.address or self.region or 'default region'} {self._id(tenant, name)}"

    def read(self, tenant: str, name: str, key: str) -> SecretContent:
        """Read the version with the stage AWSCURRENT."""
        try:
            from botocore import exceptions  # noqa: PLC0415  an extra: `aws`
        except ImportError:
            raise SecretStoreError("reading secrets from AWS needs boto3", install("aws")) from None
        try:
            answer = self._client().get_secret_value(SecretId=self._id(tenant, name))
        except (exceptions.BotoCoreError, exceptions.ClientError) as error:
            raise self._failed(error, tenant, name, key) from None
        if "SecretString" not in answer:
            why = "the secret is binary"
            raise refused(self, tenant, name, key, why, "store it as text, such as base64")
        return SecretContent(values_of_text(answer["SecretString"]), answer["VersionId"])

    def _id(self, tenant: str, name: str) -> str:
        return f"{within(self.path, tenant)}/{name}"

    def _client(self) -> Any:  # noqa: ANN401  boto3 makes its types when the program runs
        import boto3  # noqa: PLC0415  an extra: `aws`
        from botocore.config import Config  # noqa: PLC0415  the same

        learn(self.secret_key, self.session_token)
        return boto3.session.Session().client(
            "secretsmanager",
            region_name=self.region or None,
            endpoint_url=self.address or None,
            verify=self.certificate or None,
            aws_access_key_id=self.key_id or None,
            aws_secret_access_key=self.secret_key or None,
            aws_session_token=self.session_token or None,
            config=Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}),
        )

    def _failed(self, error: Exception, tenant: str, name: str, key: str) -> SecretError:
        """Return what a failure means. The text of AWS is not quoted."""
        from botocore import exceptions  # noqa: PLC0415  an extra: `aws`

        if isinstance(error, exceptions.ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            if code in _BAD:
                return refused(self, tenant, name, key, *_BAD[code])
            why, hint = f"AWS answered {code}", "look at the service's health, and at the quota of requests"
            if code in _LOGIN:
                why, hint = "the login was refused, or has expired", "renew the credentials of AWS in the environment"
            return unanswered(self, tenant, name, key, why, hint)
        match error:
            case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
                why, hint = "there are no credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
            case exceptions.NoRegionError():
                why, hint = "there is no region", "set AWS_REGION, or `region` in [tool.etl.secrets]"
            case exceptions.SSLError():
                why, hint = "the certificate is not trusted", "let `certificate` name the authority's file"
            case _:
                why = f"AWS cannot be reached ({type(error).__name__})"
                hint = "look at the network, at `region` and at `address`"
        return unanswered(self, tenant, name, key, why, hint)
