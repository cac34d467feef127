"""The front step: hands its arguments to service.commands."""

import sys
from pathlib import Path

try:
    from service.commands import main
except ModuleNotFoundError as missing:
    if missing.name and missing.name.split(".")[0] == "service":
        raise
    here = Path(__file__).resolve().parent
    sys.exit(
        f"Reeldrop's libraries are not in this Python ({missing.name} is missing).\n"
        f"Set them up with:  make -C {here} setup\n"
        f"then run:          {here / '.venv/bin/python'} {here / 'daemon.py'} …"
    )

if __name__ == "__main__":
    main()
