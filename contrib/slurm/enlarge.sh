#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One film as a Slurm array, and the join behind it.
#   contrib/slurm/enlarge.sh film.mkv film_x2.mkv JOB_FOLDER PARTS [options of enlarge]
# The folder must be seen by all nodes. SBATCH_OPTIONS (--partition=..., --time=...) goes to sbatch.
set -euo pipefail
film=$1 output=$2 job=$3 parts=$4
shift 4
enlarge=${ENLARGE:-enlarge}
"$enlarge" plan "$film" -o "$output" --job "$job" --parts "$parts" "$@"
array=$(sbatch --parsable --requeue ${SBATCH_OPTIONS:-} --job-name=enlarge --array="0-$((parts - 1))" \
    --output="$job/logs/slurm-%A_%a.out" --wrap="exec '$enlarge' work '$job' --task auto --quiet")
# afterany, not afterok: a task that was requeued after its node died leaves afterok unsatisfied for ever in some versions
# of Slurm. The join refuses, and names what is missing, should a part not be there.
sbatch --parsable ${SBATCH_OPTIONS:-} --job-name=enlarge-join --dependency="afterany:${array%%;*}" \
    --output="$job/logs/slurm-join-%j.out" --wrap="exec '$enlarge' join '$job'"
