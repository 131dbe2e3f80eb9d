#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Heat in a plate on four nodes, four ranks each:
#   mpicc -O2 -o heat heat.c
#   sbatch heat.sh                                            at home
#   sbatch --burst=auto --stage-in=heat,heat.in heat.sh       overflows when home is full
#SBATCH --job-name=heat
#SBATCH --nodes=4
#SBATCH --ntasks=16
#SBATCH --ntasks-per-node=4
#SBATCH --time=10
exec srun --mpi=pmix ./heat heat.in
