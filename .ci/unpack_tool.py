"""Extract one program from the wheel that contains it: unpack_tool.py WHEELS NAME INTO."""

import pathlib
import sys
import zipfile

wheels, name, into = sys.argv[1:]
for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".data/scripts/{name}"):
                program = pathlib.Path(into, name)
                # Write to a temporary name, then rename, so that an interrupted run leaves no partial program.
                partial = program.with_suffix(".partial")
                partial.write_bytes(archive.read(member))
                partial.chmod(0o755)
                partial.rename(program)
                sys.exit(0)
sys.exit(f"no wheel in {wheels} contains {name}")
