"""What `pip install .` puts on a machine is all that runs from a clone."""

import sys
import zipfile
from pathlib import Path
from subprocess import run

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    """Code, templates, words, pages and the shipped configuration with its contracts, each as it stands here."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    found = [path for room in ("monitor", "probes", "config/contracts") for path in (ROOT / room).rglob("*")]
    files = [path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts]
    files.append(Path("config/monitor.yaml"))
    assert len(files) > 300
    with zipfile.ZipFile(wheel) as archive:
        for file in files:
            inside = Path("monitor/_shipped", *file.parts[1:]) if file.parts[0] == "config" else file
            assert archive.read(str(inside)) == (ROOT / file).read_bytes()
