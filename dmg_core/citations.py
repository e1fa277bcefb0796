"""Papers behind equations, data and methods, as BibTeX.

A process model names the papers of its equations in ``citations``; users' own name theirs, made with :class:`Citation`. Only DOIs that are
known for certain stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Citation:
    """A publication.

    Parameters
    ----------
    key : str
        By which a text cites it.
    kind : str
        Of BibTeX: ``article``, ``misc`` …
    author, title : str
        As BibTeX takes them.
    year : int
        Of publication.
    fields : tuple of (str, str)
        Further fields: ``journal``, ``volume``, ``pages``, ``doi`` …
    """

    key: str
    kind: str
    author: str
    title: str
    year: int
    fields: tuple[tuple[str, str], ...] = ()

    def bibtex(self) -> str:
        """Give the entry."""
        lines = {"author": self.author, "title": f"{{{self.title}}}", "year": str(self.year), **dict(self.fields)}
        return f"@{self.kind}{{{self.key},\n" + "".join(f"  {name} = {{{value}}},\n" for name, value in lines.items()) + "}\n"


def _article(key: str, author: str, title: str, year: int, journal: str, volume: str, pages: str, doi: str) -> Citation:
    fields = (("journal", journal), ("volume", volume), ("pages", pages), ("doi", doi))
    return Citation(key, "article", author, title, year, fields)


_HESS: Final = "Hydrology and Earth System Sciences"

SEIBERT_VIS_2012: Final = _article(
    "seibert2012hbv", "Seibert, J. and Vis, M. J. P.",
    "Teaching hydrological modeling with a user-friendly catchment-runoff-model software package", 2012, _HESS, "16", "3315--3325",
    "10.5194/hess-16-3315-2012",
)  # fmt: skip
FENG_2022: Final = _article(
    "feng2022dhbv", "Feng, D. and Liu, J. and Lawson, K. and Shen, C.",
    "Differentiable, learnable, regionalized process-based models with multiphysical outputs can approach state-of-the-art hydrologic "
    "prediction accuracy", 2022, "Water Resources Research", "58", "e2022WR032404", "10.1029/2022WR032404",
)  # fmt: skip
SONG_2024: Final = _article(
    "song2024adjoint", "Song, Y. and Knoben, W. J. M. and Clark, M. P. and Feng, D. and Lawson, K. and Sawadekar, K. and Shen, C.",
    "When ancient numerical demons meet physics-informed machine learning: adjoint-based gradients for implicit differentiable modeling",
    2024, _HESS, "28", "3051--3077", "10.5194/hess-28-3051-2024",
)  # fmt: skip
SONG_2025: Final = Citation(
    "song2025dhbv2", "article", "Song, Y. and others",
    "High-resolution national-scale water modeling is enhanced by multiscale differentiable physics-informed machine learning", 2025,
    (("journal", "Water Resources Research"), ("volume", "61"), ("pages", "e2024WR038928"), ("doi", "10.1029/2024WR038928")),
)  # fmt: skip
YANG_2026: Final = Citation(
    "yang2026hourly", "misc", "Yang and Lonzarich and Song and Ji and Pan and Lawson and Shen",
    "Hourly U.S.-Wide Flood Simulation beyond the Limits of Traditional and Data-Driven Models", 2026,
    (("eprint", "2609.06794"), ("archiveprefix", "arXiv")),
)  # fmt: skip
SANTOS_2018: Final = _article(
    "santos2018gr4", "Santos, L. and Thirel, G. and Perrin, C.",
    "Continuous state-space representation of a bucket-type rainfall-runoff model: a case study with the GR4 model using state-space GR4 "
    "(version 1.0)", 2018, "Geoscientific Model Development", "11", "1591--1605", "10.5194/gmd-11-1591-2018",
)  # fmt: skip
PERRIN_2003: Final = _article(
    "perrin2003gr4j", r"Perrin, C. and Michel, C. and Andr{\'e}assian, V.",
    "Improvement of a parsimonious model for streamflow simulation", 2003, "Journal of Hydrology", "279", "275--289",
    "10.1016/S0022-1694(03)00225-7",
)  # fmt: skip
BOYLE_2001: Final = Citation(
    "boyle2001hymod", "phdthesis", "Boyle, D. P.", "Multicriteria calibration of hydrologic models", 2001,
    (("school", "University of Arizona"),),
)  # fmt: skip
MOORE_1985: Final = _article(
    "moore1985pdm", "Moore, R. J.", "The probability-distributed principle and runoff production at point and basin scales", 1985,
    "Hydrological Sciences Journal", "30", "273--297", "10.1080/02626668509490989",
)  # fmt: skip
HOCHREITER_1997: Final = _article(
    "hochreiter1997lstm", "Hochreiter, S. and Schmidhuber, J.", "Long short-term memory", 1997, "Neural Computation", "9", "1735--1780",
    "10.1162/neco.1997.9.8.1735",
)  # fmt: skip
HARGREAVES_1985: Final = _article(
    "hargreaves1985", "Hargreaves, G. H. and Samani, Z. A.", "Reference crop evapotranspiration from temperature", 1985,
    "Applied Engineering in Agriculture", "1", "96--99", "10.13031/2013.26773",
)  # fmt: skip
ALLEN_1998: Final = Citation(
    "allen1998fao56", "techreport", "Allen, R. G. and Pereira, L. S. and Raes, D. and Smith, M.",
    "Crop evapotranspiration: guidelines for computing crop water requirements", 1998,
    (("institution", "Food and Agriculture Organization of the United Nations"), ("number", "Irrigation and Drainage Paper 56")),
)  # fmt: skip
ADDOR_2017: Final = _article(
    "addor2017camels", "Addor, N. and Newman, A. J. and Mizukami, N. and Clark, M. P.",
    "The CAMELS data set: catchment attributes and meteorology for large-sample studies", 2017, _HESS, "21", "5293--5313",
    "10.5194/hess-21-5293-2017",
)  # fmt: skip
NEWMAN_2015: Final = _article(
    "newman2015camels", "Newman, A. J. and Clark, M. P. and Sampson, K. and Wood, A. and Hay, L. E. and Bock, A. and Viger, R. J. and "
    "Blodgett, D. and Brekke, L. and Arnold, J. R. and Hopson, T. and Duan, Q.",
    "Development of a large-sample watershed-scale hydrometeorological data set for the contiguous USA: data set characteristics and "
    "assessment of regional variability in hydrologic model performance", 2015, _HESS, "19", "209--223", "10.5194/hess-19-209-2015",
)  # fmt: skip
THORNTON_1997: Final = _article(
    "thornton1997daymet", "Thornton, P. E. and Running, S. W. and White, M. A.",
    "Generating surfaces of daily meteorological variables over large regions of complex terrain", 1997, "Journal of Hydrology", "190",
    "214--251", "10.1016/S0022-1694(96)03128-9",
)  # fmt: skip
KRATZERT_2019: Final = _article(
    "kratzert2019nse", "Kratzert, F. and Klotz, D. and Shalev, G. and Klambauer, G. and Hochreiter, S. and Nearing, G.",
    "Towards learning universal, regional, and local hydrological behaviors via machine learning applied to large-sample datasets", 2019,
    _HESS, "23", "5089--5110", "10.5194/hess-23-5089-2019",
)  # fmt: skip
HUTTON_2020: Final = _article(
    "hutton2020bmi", "Hutton, E. W. H. and Piper, M. D. and Tucker, G. E.",
    "The Basic Model Interface 2.0: A standard interface for coupling numerical models in the geosciences", 2020,
    "Journal of Open Source Software", "5", "2317", "10.21105/joss.02317",
)  # fmt: skip
NEXTGEN: Final = Citation(
    "nextgen", "misc", "{NOAA Office of Water Prediction}", "Next Generation Water Resources Modeling Framework (ngen)", 2026,
    (("howpublished", r"\url{https://github.com/NOAA-OWP/ngen}"),),
)  # fmt: skip
LE_DIMET_1986: Final = Citation(
    "ledimet1986variational", "article", "Le Dimet, F.-X. and Talagrand, O.",
    "Variational algorithms for analysis and assimilation of meteorological observations: theoretical aspects", 1986,
    (("journal", "Tellus A"), ("volume", "38A"), ("pages", "97--110")),
)  # fmt: skip
ABOELYAZEED_2023: Final = Citation(
    "aboelyazeed2023photosynthesis", "article", "Aboelyazeed, D. and others",
    "A differentiable, physics-informed ecosystem modeling and learning framework for large-scale inverse problems: demonstration with "
    "photosynthesis simulations", 2023, (("journal", "Biogeosciences"), ("volume", "20"), ("pages", "2671--2692")),
)  # fmt: skip
FARQUHAR_1980: Final = _article(
    "farquhar1980photosynthesis", "Farquhar, G. D. and von Caemmerer, S. and Berry, J. A.",
    "A biochemical model of photosynthetic CO2 assimilation in leaves of C3 species", 1980, "Planta", "149", "78--90", "10.1007/BF00386231",
)  # fmt: skip
