#!/bin/bash
# `nodulerisk cohort` by SLURM jobs, to be fitted to your site: sbatch slurm_cohort.sh TABLE --out DIR [options]
# All nodes see this Python environment, the CTs, DIR and the weights at the same paths. Sent again, it goes on.
#SBATCH --job-name=cohort --cpus-per-task=2 --mem=8G --time=7-00:00:00
at=tcp://$(hostname):8786
export MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000  # freed memory is kept: reading is twice as fast
worker="dask worker $at --nthreads 1 --death-timeout 60"
dask scheduler --port 8786 &
trap "kill $!" EXIT  # with the scheduler the workers end
sbatch --array=1-20 --mem=4G --time=24:00:00 --wrap "$worker"  # these read CTs
sbatch --gres=gpu:1 --mem=16G --time=24:00:00 --wrap "$worker --resources networks=1"  # the networks
nodulerisk cohort "$@" --scheduler $at
