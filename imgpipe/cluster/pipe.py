"""The pipe of a part: from the words of the command line to the commands that run. Everything here is pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imgpipe.cluster.options import DEFAULT_PIPE, Columns, Command, Job
from imgpipe.errors import UsageError

STAGES: Final = frozenset({"read", "fetch", "resize", "shard"})
"""The first words that mean a stage of imgpipe; another one is a program."""

_OPERATORS: Final = frozenset("();<>|&")


def parse(words: Sequence[str]) -> tuple[Command, ...]:
    """The commands that the words of PIPE name, with bars between them.

    Args:
        words: Each as the shell handed it over, or one text that is split as a shell would.

    Raises:
        UsageError: It is no pipe with one `shard`, or sets what each part sets for itself.
    """
    if not words:
        return DEFAULT_PIPE
    if len(words) == 1:
        words = _split(words[0])
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    if not all(commands):
        raise UsageError("a command is missing beside a | of the pipe")
    pipe = tuple(tuple(words[1:] if _is_prefixed(words) else words) for words in commands)
    _check(pipe)
    return pipe


def _split(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise UsageError(f"the pipe cannot be read: {error}") from error
    if strange := next((word for word in words if word != "|" and word and set(word) <= _OPERATORS), None):
        raise UsageError(f"the pipe is no shell script: it has no {strange}; wrap it in sh -c '…'")
    return words


def _is_prefixed(words: Sequence[str]) -> bool:
    return words[0] == "imgpipe" and len(words) > 1


def _check(pipe: tuple[Command, ...]) -> None:
    shards = [command for command in pipe if command[0] == "shard"]
    if len(shards) != 1:
        raise UsageError("the pipe needs one shard, which places the images")
    for option in ("--part", "--input", "--failed"):
        if _has(shards[0], option):
            raise UsageError(f"each part has its own {option}: leave it out of the pipe's shard")


def _has(command: Command, option: str) -> bool:
    return any(word == option or word.startswith(f"{option}=") for word in command)


@dataclass(frozen=True, slots=True)
class Part:
    """One part on one machine.

    Attributes:
        name: Its name.
        input: Path of the file with its lines.
        python: The interpreter that runs imgpipe.
    """

    name: str
    input: str
    python: str


def imgpipe(python: str, *words: str) -> Command:
    """The command `imgpipe WORDS` of that interpreter.

    Nothing is imported from the folder where it runs, which belongs to whoever started it.
    """
    return (python, "-P", "-m", "imgpipe", *words)


def complete(job: Job, part: Part) -> list[Command]:
    """The commands of the pipe with all that this part adds to them."""
    return [_complete(command, job, part) for command in job.pipe]


def _complete(command: Command, job: Job, part: Part) -> Command:
    name, *rest = command
    if name not in STAGES:
        return command
    added: list[str] = [] if {"-v", "--verbose"} & set(rest) else ["-q"]
    if name == "shard":
        added += [job.out, "--part", part.name, "--input", part.input]
        added += [] if _has(command, "--wait") else ["--wait", f"{job.wait:g}"]
    elif name == "fetch" and not _has(command, "--resume"):
        added += ["--resume", job.out, "--part", part.name]
    return imgpipe(part.python, name, *added, *rest)


def reading(columns: Columns, python: str) -> Command:
    """The command that turns rows, as JSON lines, into the lines of a part."""
    words = ["read", "-q", "--format", "jsonl"]
    for option, value in (
        ("--url-col", columns.url),
        ("--key-col", columns.key),
        ("--caption-col", columns.caption),
        ("--columns", None if columns.others is None else ",".join(map(_quoted, columns.others))),
    ):
        words += [] if value is None else [f"{option}={value}"]
    return imgpipe(python, *words, "-")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
