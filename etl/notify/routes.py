"""Decides which target gets which message.

Belongs here: `wants` and the name of a target that is stored with its messages. Not here: the models (`targets`).
"""

from fnmatch import fnmatchcase
from hashlib import sha256

from etl.notify.incidents import Message
from etl.notify.targets import SEVERITIES, LogTarget, NotificationConfig


def wants(target: NotificationConfig, message: Message) -> bool:
    """Whether `target` gets the message: every filter of the target must match."""
    if not set(target.on) & set(message.events):
        return False
    if target.severity is not None and SEVERITIES.index(message.severity) < SEVERITIES.index(target.severity):
        return False
    if target.owners and not set(target.owners) & set(message.owners):
        return False
    patterns = target.pipelines
    return not patterns or any(fnmatchcase(each, pattern) for each in message.pipelines for pattern in patterns)


def target_name(target: NotificationConfig) -> str:
    """Return a name that is the same for equal targets and contains no secret: a hash of the target's YAML."""
    if isinstance(target, LogTarget):
        return "log"
    exclude = {"on", "severity", "owners", "pipelines"}  # another filter does not make another mailbox
    return f"{target.type}-{sha256(target.model_dump_json(exclude=exclude).encode()).hexdigest()[:12]}"
