"""What is wrong with the Python packages at hand: versions that do not go together, or not with ngen."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Final

import numpy as np

from bmi_dmg.checking.findings import Findings
from bmi_dmg.run_folder.tables import OLD_PYARROW

DISTRIBUTION: Final = "bmi-dmg"
#: Distribution -> its module, of the packages that only some commands need.
OF_THE_TOOLS: Final = {
    "pyarrow": "pyarrow",
    "matplotlib": "matplotlib",
    "xarray": "xarray",
    "shapely": "shapely",
    "pyogrio": "pyogrio",
    "geopandas": "geopandas",
    "cf-units": "cf_units",
    "netCDF4": "netCDF4",
}


def check_packages(findings: Findings) -> None:
    """Note installed packages of other versions than this project needs, those that cannot be imported, and a numpy that ngen refuses."""
    _check_versions(findings)
    for name, module in OF_THE_TOOLS.items():
        _check_import(name, module, findings)
    if int(np.__version__.partition(".")[0]) > 1:
        findings.note(
            "numpy",
            f"numpy is {np.__version__} here; ngen as NOAA and NGIAB build it needs numpy 1.26",
            "python",
            "none needed to run without ngen; in ngen's environment install numpy<2",
        )


def _check_versions(findings: Findings) -> None:
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:  # run from its source
        needed = []
    for requirement in needed:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = metadata.version(requirement.name)
        if not requirement.specifier.contains(version, prereleases=True):
            findings.warning(
                "package",
                f"{requirement.name} is {version} here; {DISTRIBUTION} needs {requirement}",
                "python",
                f"install '{requirement}'",
                variable=requirement.name,
            )


def _check_import(name: str, module: str, findings: Findings) -> None:
    """Note a package that is installed but does not go with the others: pip looks at what packages declare, which is not always all."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return
    try:
        import_module(module)
    except (ImportError, ValueError, AttributeError, RuntimeError) as error:  # what packages built for another numpy raise
        old = f"'{OLD_PYARROW}'" if name == "pyarrow" and np.__version__ < "2" else f"another version of {name}"
        findings.warning(
            "package",
            f"{name} {version} cannot be imported beside numpy {np.__version__}: {str(error).splitlines()[0]}",
            "python",
            f"install {old}, or another numpy",
            variable=name,
        )
