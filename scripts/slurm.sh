#!/bin/bash
# A Slurm of one node on the loopback interface, for tests: Debian's slurmctld, slurmd and munge, without systemd. As root, since
# munged wants it; for throw-away use. Usage: scripts/slurm.sh up FOLDER; scripts/slurm.sh down FOLDER.
# After `up`: export SLURM_CONF=FOLDER/slurm.conf.
set -eu
here=$(mkdir -p "$2" && realpath "$2")
node=$(hostname -s)

up() {
    chmod 755 "$here"
    mkdir -p "$here/munge" "$here/state" "$here/spool"
    chmod 755 "$here/munge"
    [ -f "$here/munge/key" ] || (umask 077 && head -c 128 /dev/urandom > "$here/munge/key")
    munged --key-file="$here/munge/key" --socket="$here/munge/socket" --log-file="$here/munge/log" \
        --seed-file="$here/munge/seed" --pid-file="$here/munge/pid" --force
    cat > "$here/slurm.conf" << CONF
ClusterName=netkv
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$here/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=bf_interval=1,sched_interval=1
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
SlurmctldLogFile=$here/slurmctld.log
SlurmdLogFile=$here/slurmd.log
NodeName=n1 NodeHostname=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=n1 Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$here/slurm.conf"
    slurmctld
    slurmd -N n1
    for _ in $(seq 100); do
        [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ] && return
        sleep 0.2
    done
    echo "slurm did not come up: see $here/slurmctld.log and $here/slurmd.log" >&2
    exit 1
}

down() {
    for pid in "$here/slurmd.pid" "$here/slurmctld.pid" "$here/munge/pid"; do
        [ ! -f "$pid" ] || kill "$(cat "$pid")" || true
    done
}

"$1"
