"""
Every error this project raises on purpose:

* SluglineError
  + InvalidInputError             the caller sent something we refuse; says which field and what to do
  + LogError                      the log did not do what was asked
    - LogUnavailableError         nothing was written; trying again later may help
      * LogMismatchError          the log is there, but it and our settings do not fit together
    - OutcomeUnknownError         it may still be written; read to the end, then decide
    - LogFullError                the disk is full; nothing was written
    - LogInUseError               another process writes to this log
    - LogDamagedError             the log cannot be trusted; it is not served
    - OtherInstallationError      the log is another installation's
    - LogNotCopiedError           a copy was refused, or is none
    - RecordRefusedError          the record itself is wrong (size, key, partition); do not retry
    - OffsetOutOfRangeError       asked to read below the beginning or beyond the end
  + UndecodableRecordError        a record on the log that this version cannot read; skipped and counted
  + ViewDamagedError              a view's file cannot be used; it is dropped and rebuilt
  + ViewFullError                 no room for a view's file; it stays as it was, stale
  + SettingsError                 the environment is wrong; one line per mistake
  + EgressRefusedError            the egress guard refused an address, a scheme, a port or a name
"""

from dataclasses import dataclass


class SluglineError(Exception):
    """The root of every error that is raised on purpose."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with an input: where, and what to do about it."""

    field: str
    message: str


class InvalidInputError(SluglineError):
    """The caller sent something that is refused as a whole; *mistakes* names each fault."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__(
            "; ".join(f"{m.field}: {m.message}" if m.field else m.message for m in mistakes)
        )
        self.mistakes = mistakes


class LogError(SluglineError):
    """The log did not do what was asked."""


class LogUnavailableError(LogError):
    """The log cannot be reached now. Nothing was written."""


class LogMismatchError(LogUnavailableError):
    """The log is there, but it and our settings do not fit: credentials, TLS, version, topics.

    Somebody has to change one of the two; the message says what.
    """


class OutcomeUnknownError(LogError):
    """A publish was not acknowledged in time. It may still be written: read to the end, then decide."""


class LogFullError(LogError):
    """There is no room for more records. Nothing was written."""


class LogInUseError(LogError):
    """Another process writes to this log."""


class LogDamagedError(LogError):
    """The log is damaged, half copied, or none that slugline made; it is neither served nor written."""


class OtherInstallationError(LogError):
    """The log belongs to an installation with another secret key."""


class LogNotCopiedError(LogError):
    """A log was not copied: the destination is in use, or the source was written to meanwhile."""


class RecordRefusedError(LogError):
    """A record that the log can never take: too large, without a key on a compacted topic, no such partition."""


class OffsetOutOfRangeError(LogError):
    """A read below the beginning of a partition or beyond its end."""


class UndecodableRecordError(SluglineError):
    """A record that cannot be read as what its topic promises."""


class ViewDamagedError(SluglineError):
    """A view's file cannot be used; whoever opens it drops and rebuilds it."""


class ViewFullError(SluglineError):
    """There is no room to write to a view. It stays as it was, and is tried again."""


class SettingsError(SluglineError):
    """The environment is wrong; the message has one line per mistake."""


class EgressRefusedError(SluglineError):
    """The egress guard refused a destination; the message says why."""
