"""The ``duet-lab`` command: prepare, choreograph, train, ablate, export, verify, evaluate, stress, generate.

    duet-lab prepare  --data DATA
    duet-lab choreograph --seconds 60 --seed 7 --out couple.npz
    duet-lab train    --data DATA --out runs/salsa
    duet-lab bank     runs/salsa
    duet-lab ablate   --data DATA --out runs/ablation
    duet-lab export   runs/salsa --out followers/salsa-s --data DATA
    duet-lab verify   runs/salsa --follower followers/salsa-s
    duet-lab evaluate followers/salsa-s --data DATA
    duet-lab forecast --data DATA
    duet-lab stress   followers/salsa-s --data DATA
    duet-lab beats    --style waltz
    duet-lab distil   runs/salsa --out runs/salsa-fast
    duet-lab finish   runs/salsa --out runs/finished
    duet-lab calls    runs/salsa --student runs/salsa-fast
    duet-lab bench-peers runs/salsa --follower followers/salsa-s
    duet-lab generate runs/salsa --leader take.bvh --music song.ogg --out couple.npz

DATA is the folder that holds the recorded couples (see the README); the variable DUET_DATA names it once and for all.
"""

import argparse
import sys
from collections.abc import Sequence

from duet import __version__
from duet.errors import DuetError
from duet.extras import how_to_install
from duet.terminal import new_console
from export.commands import (
    ablate,
    bank,
    beats,
    calls,
    choreograph,
    distil,
    evaluate,
    export,
    finish,
    forecast,
    generate,
    peers,
    prepare,
    stress,
    train,
    verify,
)

LEARNING_HALF = frozenset({"torch", "onnx", "onnxscript", "safetensors", "matplotlib", "librosa"})
"""What a machine that only dances need not have."""
NO_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0 when all went well, 1 when what it puts to the test is broken, 2 when
    something the user can change stood in the way, 130 when it was stopped."""
    console, options = new_console(), argparse.Namespace()
    try:
        options = _parser().parse_args(arguments)
        return options.run(options, console) or 0
    except DuetError as error:
        print(f"duet-lab: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in LEARNING_HALF:
            raise
        print(
            f"duet-lab: expected the packages of the learning half, got no {error.name}. "
            f"Install them: {how_to_install('lab')} (make test does it, too).",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        where = error.filename or "A file"
        print(
            f"duet-lab: {where}: expected a path that can be read and written, got: {error.strerror or error}. "
            "Choose another path, or make room for it.",
            file=sys.stderr,
        )
        return 2
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        said = (str(error).strip().splitlines() or ["no memory"])[0]
        print(
            f"duet-lab: expected memory enough, got: {said}. Close other programs, or take a smaller --preset, batch "
            "(how.stretches, codec.batch) or number of couples.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        left = getattr(options, "stopped", "The same command goes on from the last checkpoint.")
        print(f"duet-lab: stopped. {left}", file=sys.stderr)
        return 130


def out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether that is what an error says: torch has a class for a GPU's memory, and words for the processor's."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="duet-lab",
        description="Train a follower, export it, and prove it.",
        epilog="Every command says what it needs: duet-lab COMMAND --help.",
    )
    parser.add_argument("--version", action="version", version=f"duet-lab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        prepare,
        choreograph,
        bank,
        train,
        ablate,
        export,
        verify,
        evaluate,
        distil,
        finish,
        calls,
        peers,
        forecast,
        stress,
        beats,
        generate,
    ):
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
