"""Which target wants which message.

Belongs here: `wants` and the name of a target that is stored with its messages. Does not: the models (`targets`).
"""

from fnmatch import fnmatchcase
from hashlib import sha256

from etl.notify.incidents import Message
from etl.notify.targets import SEVERITIES, LogTarget, NotificationConfig


def wants(target: NotificationConfig, message: Message) -> bool:
    """Whether `target` is to be told. Every filter that it has must let the message through."""
    if not set(target.on) & set(message.events):
        return False
    if target.severity is not None and SEVERITIES.index(message.severity) < SEVERITIES.index(target.severity):
        return False
    if target.owners and not set(target.owners) & set(message.owners):
        return False
    patterns = target.pipelines
    return not patterns or any(fnmatchcase(each, pattern) for each in message.pipelines for pattern in patterns)


def target_name(target: NotificationConfig) -> str:
    """The same for equal targets, different for others, and nothing secret: a hash of what the YAML says."""
    if isinstance(target, LogTarget):
        return "log"
    exclude = {"on", "severity", "owners", "pipelines"}  # another route is the same mailbox
    return f"{target.type}-{sha256(target.model_dump_json(exclude=exclude).encode()).hexdigest()[:12]}"
