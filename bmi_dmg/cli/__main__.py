"""The command as a module: ``python -m bmi_dmg.cli``."""

from bmi_dmg.cli.main import main

if __name__ == "__main__":
    main()
