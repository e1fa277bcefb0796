"""Weather of a spin-up, and observed flow, read by a process of its own.

ngen links a HDF5 library, and importing the netCDF4 package from PyPI into its process ends it. So whatever reads and converts forcing
files runs elsewhere, in one child for all catchments of a process; it ends when it is not asked for a while, or its parent ends.
"""

from __future__ import annotations

import atexit
import os
import pickle
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from bmi_dmg.run_folder.forcing_reader import ForcingReader
from bmi_dmg.run_folder.forcings import open_forcing
from bmi_dmg.run_folder.realization import ForcingSettings
from bmi_dmg.run_folder.weather_source import WeatherSource
from bmi_dmg.variables import InputVariable
from dmg_core.data.flow_files import read_flow
from dmg_core.data.flow_series import FlowSeries
from dmg_core.errors import ConfigError, DmgError, ForcingError

#: Seconds after which a child that nobody asks ends.
IDLE: Final = 60.0

_COMMAND: Final = "import sys; sys.argv[0] = 'bmi-dmg'; from bmi_dmg.spin_up.weather_process import serve; serve()"


class Request(NamedTuple):
    """What a child is asked for: the hours there are, or the weather of some.

    Attributes
    ----------
    folder : str
        Working directory to which ``file`` is relative.
    file : Path
        NetCDF file in ngen's form, or the catchment's own CSV file.
    catchment_id : str
        The catchment.
    inputs : tuple of InputVariable
        Which inputs are wanted.
    first : datetime or None
        First hour; None for the hours there are.
    hours : int
        Number of hours.
    """

    folder: str
    file: Path
    catchment_id: str
    inputs: tuple[InputVariable, ...]
    first: datetime | None = None
    hours: int = 0


class FlowRequest(NamedTuple):
    """What a child is asked for: observed flow of one gauge.

    Attributes
    ----------
    folder : str
        Working directory to which ``file`` is relative.
    file : Path
        A file or a folder that :func:`dmg_core.data.flow_files.read_flow` reads.
    gauge : str
        The gauge.
    """

    folder: str
    file: Path
    gauge: str


def remote_flow(file: Path, gauge: str) -> FlowSeries:
    """Have observed flow of one gauge read by another process.

    Raises
    ------
    ForcingError, ConfigError
        If it cannot be read, or does not have the gauge.
    """
    series: FlowSeries = _process.ask(FlowRequest(str(Path.cwd()), file, gauge))
    return series


class RemoteWeather:
    """Hourly inputs of one catchment from a forcing file, read by another process.

    Parameters
    ----------
    file : Path
        NetCDF file in ngen's form, or the catchment's own CSV file.
    catchment_id : str
        The catchment.
    inputs : tuple of InputVariable
        Which inputs are wanted.

    Raises
    ------
    ForcingError
        If the file cannot be read or does not have the catchment.
    ConfigError
        If a variable is missing or in a wrong unit, or packages to read the file are not installed.
    """

    def __init__(self, file: Path, catchment_id: str, inputs: tuple[InputVariable, ...]) -> None:
        self._request = Request(str(Path.cwd()), file, catchment_id, inputs)
        answer: tuple[str, datetime, datetime] = _process.ask(self._request)
        self._name, self.first, self.end = answer

    @property
    def name(self) -> str:
        """Where the weather comes from, for messages."""
        return self._name

    def read(self, first: datetime, hours: int) -> npt.NDArray[np.float64]:
        """Read a stretch of hours, shape (hours, 1, inputs); see :meth:`WeatherSource.read`."""
        weather: npt.NDArray[np.float64] = _process.ask(self._request._replace(first=first, hours=hours))
        return weather


class _WeatherProcess:
    """The child of this process, started when it is needed."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._parent = 0
        self._lock = threading.Lock()

    def ask(self, request: Request | FlowRequest) -> Any:
        """Have a request answered.

        Raises
        ------
        ForcingError, ConfigError
            What the child raises; or a ForcingError, if it ends before it has answered.
        """
        with self._lock:
            reused = self._child is not None and self._child.poll() is None and self._parent == os.getpid()
            try:
                kind, answer = self._exchange(request)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                status = None if self._child is None else self._child.wait()
                if not reused:
                    raise ForcingError(f"{request.file}: the process that reads it has ended (status {status}): {error!r}") from error
                kind, answer = self._exchange(request)  # it had been idle, and was just about to end
        if kind is not None:
            raise kind(answer)
        return answer

    def _exchange(self, request: Request | FlowRequest) -> tuple[type[DmgError] | None, Any]:
        if self._child is None or self._child.poll() is not None or self._parent != os.getpid():
            self._child, self._parent = _start(), os.getpid()
            atexit.register(_end, self._child)
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None and stdout is not None  # noqa: PT018  # both are pipes
        pickle.dump(request, stdin)
        stdin.flush()
        answer: tuple[type[DmgError] | None, Any] = pickle.load(stdout)  # from our own child
        return answer


_process = _WeatherProcess()


def _start() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}  # noqa: PTH109
    return subprocess.Popen([python_executable(), "-c", _COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let a child end with its parent."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    try:
        child.wait(timeout=10.0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def python_executable() -> str:
    """Find the interpreter of this environment; where Python is embedded, ``sys.executable`` may be another program or none.

    Raises
    ------
    ConfigError
        If there is none.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [Path(prefix) / "bin" / name for prefix in (sys.prefix, sys.base_prefix) for name in (version, "python3")]
    for candidate in (sys.executable, *map(str, places), shutil.which(version)):
        if candidate and Path(candidate).name.startswith("python") and os.access(candidate, os.X_OK):
            return candidate
    raise ConfigError(f"no {version} found beside this process to read the weather of a spin-up; use 'bmi-dmg spinup' beforehand")


# --- in the child ------------------------------------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer requests from stdin on stdout until there are none any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed goes where logs go
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends, and then this
    requests = sys.stdin.buffer
    while select.select([requests], [], [], IDLE)[0]:
        try:
            request = pickle.load(requests)  # from our own parent
        except EOFError:
            return
        pickle.dump(_answer(request), answers)
        answers.flush()


def _answer(request: Request | FlowRequest) -> tuple[type[DmgError] | None, Any]:
    """Give an answer, or the class and message of an error."""
    try:
        os.chdir(request.folder)
        if isinstance(request, FlowRequest):
            return None, read_flow(request.file, {request.gauge})[request.gauge]
        reader = _open(request.file, request.catchment_id)
        source = WeatherSource(reader, [request.catchment_id], request.inputs, {})
        if request.first is None:
            return None, (source.name, source.first, source.end)
        return None, source.read(request.first, request.hours)
    except ImportError as error:
        return ConfigError, f"packages that 'pip install \"bmi-dmg[tools]\"' brings are needed: {error}"
    except DmgError as error:
        return (ConfigError if isinstance(error, ConfigError) else ForcingError), str(error)
    except Exception as error:  # noqa: BLE001  # told by the parent, which goes on
        what = "observed flow" if isinstance(request, FlowRequest) else "the weather for the spin-up"
        return ForcingError, f"{request.file}: {what} cannot be read: {type(error).__name__}: {error}"


def _open(file: Path, catchment_id: str) -> ForcingReader:
    if file.suffix == ".csv":
        return open_forcing(ForcingSettings("CsvPerFeature", file.parent, re.escape(file.name)), [catchment_id])
    try:
        status = file.stat()
    except OSError as error:
        raise ForcingError(f"{file}: the weather for the spin-up cannot be read: {error}") from error
    return _open_netcdf(file.absolute(), file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _open_netcdf(place: Path, file: Path, modified: int, size: int) -> ForcingReader:  # noqa: ARG001  # what has changed is another file
    """Open a file once for all the catchments of a process; each reads its own rows."""
    return open_forcing(ForcingSettings("NetCDF", file, None), [])
