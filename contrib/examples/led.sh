#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Lights on the nodes of a job: user1 blinks while it works, user2 counts the rounds.
#   sbatch led.sh
#SBATCH --job-name=led
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --time=5
srun rain led user1 blink 2
for round in 1 2 3; do
	srun rain led user2 code "$round"
	srun sleep 5        # the work
done
srun rain led user1 on
