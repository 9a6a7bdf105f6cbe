"""Reads a command line; what does not fit is one sentence with the nearest name, not a page of usage."""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

_KINDS = {"float": "a number", "int": "a whole number"}
_VALUE = re.compile(r"argument (.+?): invalid (\w+) value: (.+)", re.DOTALL)
_CHOICE = re.compile(r"argument (.+?): invalid choice: (.+) \(choose from (.+)\)", re.DOTALL)
_REQUIRED = "the following arguments are required: "


class Parser(argparse.ArgumentParser):
    """As argparse's, and as that of every command below it. Ends the process with 2 for what does not fit."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._given: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As argparse's, but nothing is left over: an unknown option is told by the command that it was given to."""
        self._given = list(sys.argv[1:] if args is None else args)
        known, strange = super().parse_known_args(args, namespace)
        if strange:
            self.error(f"expected nothing more, got {' '.join(strange)}")
        return known, strange

    def error(self, message: str) -> NoReturn:
        """Ends with one sentence, the nearest name and an example."""
        said = (self._of_command() or self._of_option() or _reworded(message)).rstrip(". ")
        if not said.endswith("?"):
            said += "."
        example = self._example()
        shown = f" For example: `{example}`." if example else ""
        self.exit(2, f"{self.prog}: {said}{shown} `{self.prog} --help` tells more.\n")

    def _of_command(self) -> str:
        """What is wrong with the command's name; "" for nothing."""
        commands = self._commands()
        word = next((word for word in self._given if not word.startswith("-")), None)
        if not commands or word in commands or (word is None and self._strange_option()):
            return ""
        if word is None:
            return f"expected one of {', '.join(commands)}, got none"
        return f"expected a command, got {word}. {_did_you_mean(word, commands)}"

    def _of_option(self) -> str:
        """What is wrong with an option's name; "" for nothing."""
        name = self._strange_option()
        return f"expected an option that it has, got {name}. {_did_you_mean(name, self._options())}" if name else ""

    def _strange_option(self) -> str:
        commands, options = self._commands(), self._options()
        for word in self._given:
            if word == "--" or word in commands:
                break
            name = word.partition("=")[0]
            # Options may be shortened.
            if name.startswith("--") and not any(option.startswith(name) for option in options):
                return name
        return ""

    def _options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings if option.startswith("--")]

    def _commands(self) -> list[str]:
        found = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return list(found[0].choices) if found else []

    def _example(self) -> str:
        """The first one of the command's help; "" where it has none."""
        lines = [line.strip() for line in (self.epilog or "").splitlines()]
        found = next((line for line in lines if line.startswith(f"{self.prog} ")), "")
        return found.split("   ")[0].split("  ")[0]


def _did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"Did you mean {near[0]}?" if near else ""


def _reworded(message: str) -> str:
    """argparse's own words as ours: ``<thing>: expected <x>, got <y>``."""
    if found := _VALUE.fullmatch(message):
        return f"{found[1]}: expected {_KINDS.get(found[2], found[2])}, got {found[3]}"
    if found := _CHOICE.fullmatch(message):
        return f"{found[1]}: expected one of {found[3].replace(chr(39), '')}, got {found[2]}"
    if message.startswith(_REQUIRED):
        return f"expected {message.removeprefix(_REQUIRED)}, got none"
    return message.removeprefix("argument ").replace("expected one argument", "expected a value, got none")
