#!/usr/bin/env bash
# Runs a folder in NextGen In A Box with bmi-dmg, as NGIAB's guide.sh runs one, without asking questions.
set -euo pipefail

IMAGE=ngiab-bmi-dmg
DATA=/ngen/ngen/data
EXTERN=/ngen/ngen/extern/bmi_dmg

usage() {
    cat <<USAGE
Usage: run.sh -d RUN_FOLDER [-m MODEL_FOLDER] [-n RANKS] [-i IMAGE]

  -d  run folder, with config/ (one *.gpkg, one *realization*.json) and forcings/; results go to outputs/
  -m  model folder; the BMI configs name it as model_dir: $EXTERN/model
      (not needed where the model lies in the run folder)
  -n  processes; 1, which is the default, runs ngen without MPI
  -i  image, $IMAGE unless given; build it with
      make wheel && docker build --file docker/Dockerfile --tag $IMAGE .
  -h  show this

The folder is checked first, and errors stop the run.
USAGE
}

fail() {
    echo "Error: $*" >&2
    exit 1
}

# Gives the one file in config/ that fits a pattern, relative to the run folder.
only_config() {
    local found
    shopt -s nullglob
    # shellcheck disable=SC2206 # the pattern is to be expanded
    found=(config/$1)
    [[ ${#found[@]} -eq 1 ]] || fail "$run_folder: expected one config/$1, found ${found[*]:-none}"
    echo "${found[0]}"
}

run_folder='' model_folder='' ranks=1
while getopts 'd:m:n:i:h' option; do
    case $option in
        d) run_folder=$OPTARG ;;
        m) model_folder=$OPTARG ;;
        n) ranks=$OPTARG ;;
        i) IMAGE=$OPTARG ;;
        h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ -n $run_folder ]] || { usage >&2; exit 2; }
[[ $ranks =~ ^[1-9][0-9]*$ ]] || fail "-n $ranks: expected a number of processes from 1"
for folder in "$run_folder" "$run_folder/config" "$run_folder/forcings" ${model_folder:+"$model_folder"}; do
    [[ -d $folder ]] || fail "$folder: there is no such folder"
done
command -v docker > /dev/null || fail "docker is not installed, or not on the PATH"

run_folder=$(cd "$run_folder" && pwd)
geopackage=$(cd "$run_folder" && only_config '*.gpkg')
realization=$(cd "$run_folder" && only_config '*realization*.json')
mkdir -p "$run_folder/outputs/ngen"

container=(docker run --rm --volume "$run_folder:$DATA" --volume "bmi_dmg_compiled:$EXTERN/.compiled")
[[ -z $model_folder ]] || container+=(--volume "$(cd "$model_folder" && pwd):$EXTERN/model:ro")

status=0
"${container[@]}" --entrypoint /ngen/.venv/bin/bmi-dmg "$IMAGE" check "$DATA" || status=$?
[[ $status -le 1 ]] || fail "$run_folder: not run, because of the above"

if [[ $ranks -eq 1 ]]; then
    "${container[@]}" --workdir "$DATA" --entrypoint /dmod/bin/ngen-serial "$IMAGE" "$geopackage" all "$geopackage" all "$realization"
else
    "${container[@]}" "$IMAGE" "$DATA" auto "$ranks"
fi
echo "Results: $run_folder/outputs"
