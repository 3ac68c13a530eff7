"""Mutate the bytes of one target for as long as asked, with coverage: `make fuzz`, not CI.

    python test/fuzz/byte_fuzzing.py TARGET FOLDER [-max_total_time=240, or others of libFuzzer's]

Goes on after a finding: of each kind (exception and place) the first input is kept in FOLDER, with
its traceback beside it. What kills the process outright, such as a
fault in a C library, leaves libFuzzer's own crash file there. Needs atheris, whose wheels serve
fewer Pythons than this package does.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

sys.path[:0] = [str(Path(__file__).resolve().parents[n]) for n in (2, 1)]

with atheris.instrument_imports(include=["hma_depth_ros", "rosbags", "yaml"]):
    from fuzz.guard import guarded  # type: ignore[import-not-found]
    from fuzz.targets import TARGETS  # type: ignore[import-not-found]


class Findings:
    """Inputs that did what no input may do, one of each kind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kinds: set[tuple[str, ...]] = set()

    def take(self, error: BaseException, data: bytes) -> None:
        """Keep an input, if it is the first of its kind."""
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if "/fuzz/" not in f.filename
        ]
        places = tuple(f"{Path(f.filename).name}:{f.lineno}" for f in frames[-2:])
        kind = (type(error).__name__, *places)
        if kind in self.kinds:
            return
        self.kinds.add(kind)
        stem = self._folder / f"{len(self.kinds):03d}-{type(error).__name__}"
        stem.with_suffix(".input").write_bytes(data)
        stem.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
        print(f"finding {' '.join(kind)}: {str(error)[:120]!r}", flush=True)


def main() -> None:
    """Fuzz the target that the first argument names."""
    name, folder, *options = sys.argv[1:]
    target, findings = TARGETS[name], Findings(Path(folder))
    corpus = Path(folder, "corpus")
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
        with guarded():  # what is made once does not count for the first input
            target.read(seed)

    def one(data: bytes) -> None:
        try:
            with guarded():
                target.read(data)
        except BaseException as error:
            findings.take(error, data)

    prefix = f"-artifact_prefix={folder}/"
    atheris.Setup([sys.argv[0], str(corpus), prefix, "-rss_limit_mb=6000", *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
