"""What aiokafka's exceptions mean to us. Every call into it goes through `translated` or `meaning`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import errors as kafka

from shared.bus.port import BusError, BusMisconfigured, BusUnavailable, Fenced, RecordTooLarge

_FENCED: Final = (
    kafka.ProducerFenced,
    kafka.InvalidProducerEpoch,
    kafka.InvalidProducerIdMapping,
    kafka.InvalidTxnState,
    kafka.TransactionCoordinatorFenced,
)
"""InvalidTxnState and InvalidProducerIdMapping: the coordinator ended our transaction, or forgot us, and
somebody else may have written since. For a writer that is the same news as a fence."""
_TOO_LARGE: Final = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError, kafka.RecordTooLargeError)
_MISCONFIGURED: Final = (
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
    kafka.SecurityDisabled,
    kafka.InvalidTopicError,
    kafka.InvalidPartitionsError,
    kafka.InvalidReplicationFactorError,
    kafka.InvalidConfigurationError,
    kafka.PolicyViolationError,
    kafka.UnsupportedVersionError,
    kafka.IncompatibleBrokerVersion,
    kafka.InvalidGroupIdError,
    kafka.InvalidSessionTimeoutError,
    kafka.InconsistentGroupProtocolError,
    kafka.InvalidTransactionTimeout,
)


def meaning(error: BaseException, doing: str) -> BusError:
    """Return the port's error for `error`, met while `doing`. The port's own errors are given back."""
    if isinstance(error, BusError):
        return error
    text = f"{doing}: {type(error).__name__}: {error}" if str(error) else f"{doing}: {type(error).__name__}"
    if isinstance(error, _FENCED):
        return Fenced(text)
    if isinstance(error, _TOO_LARGE):
        return RecordTooLarge(text)
    if isinstance(error, _MISCONFIGURED):
        return BusMisconfigured(text)
    return BusUnavailable(text)


DRIVER_ERRORS: Final = (
    kafka.KafkaError,
    kafka.ConsumerStoppedError,
    kafka.IllegalOperation,
    OSError,
    TimeoutError,
)
"""What aiokafka raises when Kafka is the reason; anything else is a programmer's error and passes."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the driver's errors into the port's."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise meaning(error, doing) from error
