"""The command ``bmi-dmg``."""
