#!/usr/bin/env bash
# Runs one training job on this host, bound to its cores, and restarts it after a crash.
#
#     launch/local.sh [-n RANKS] [-t THREADS] [-r RESTARTS] CONFIG [key=value ...]
#
# By default RANKS x THREADS fill the cores, with one rank per socket unless -n is given. More than the number of
# cores works too, unbound. By default there are at most 5 RESTARTS in a row. The exit code is shoal's: 0 done, 64
# the user's mistake, 75 stopped after saving, 1 anything else. SIGUSR1, SIGTERM, SIGINT and SIGHUP save and
# stop the job; a second signal stops it at once.
# shellcheck source-path=SCRIPTDIR
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/launch/supervise.sh"

usage() {
  say "$*"
  printf 'usage: launch/local.sh [-n RANKS] [-t THREADS] [-r RESTARTS] CONFIG [key=value ...]\n' >&2
  exit 64
}

# The number of different values of these columns of lscpu.
different() { lscpu -p="$1" 2>/dev/null | grep -v '^#' | sort -u | wc -l; }

# Counts the usable cores: nproc knows the affinity, lscpu hyperthreads, cpu.max a container's quota.
count_cores() {
  local physical quota period
  output_of env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc
  logical=$((output))
  cores=$logical
  output_of different CORE,SOCKET
  physical=$((output))
  if ((physical > 0 && physical < cores)); then cores=$physical; fi
  whole=1
  output_of getconf _NPROCESSORS_ONLN
  if ((logical < output)); then whole=0; fi
  if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [[ $quota != max ]]; then
    quota=$(((quota + period - 1) / period))
    if ((quota < cores)); then cores=$quota whole=0; fi
  fi
  output_of different SOCKET
  sockets=$((output))
  if ((sockets < 1 || whole == 0)); then sockets=1; fi
}

ranks='' threads=''
while getopts ':n:t:r:' flag; do
  case $flag in
    n) require_number ranks "$OPTARG" && ranks=$OPTARG ;;
    t) require_number threads "$OPTARG" && threads=$OPTARG ;;
    r) require_count restarts "$OPTARG" && restarts=$OPTARG ;;
    :) usage "-$OPTARG needs a number" ;;
    *) usage "there is no -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
(($# > 0)) || usage "which CONFIG?"
find_programs "$root"

count_cores
if [[ -z $ranks ]]; then
  ranks=$((threads ? cores / threads : sockets))
  ((ranks > 0)) || ranks=1
fi
if [[ -z $threads ]]; then
  threads=$((cores / ranks))
  ((threads > 0)) || threads=1
fi

# mpirun may bind to cores that this process may not use. Binds only if all cores of the host are usable.
if ((whole && ranks * threads <= cores)); then
  placement=(--map-by "slot:PE=$threads" --bind-to core:if-supported)
else
  placement=(--bind-to none --oversubscribe)
fi

command=(mpirun -n "$ranks" "${placement[@]}" "$shoal" train "$1" --threads "$threads" "${@:2}")
supervise "$@"
