#!/usr/bin/env bash
# Runs one training job on this host, bound to its cores as they are.
#
#     launch/local.sh [-n RANKS] [-t THREADS] CONFIG [key=value ...]
#
# RANKS x THREADS fill the cores by default; without -n there is one rank per socket. More of them than
# cores work too, unbound. The exit code is shoal's: 0 done, 64 the caller's mistake, 75 stopped after
# saving. SIGUSR1, SIGTERM, SIGINT and SIGHUP all mean: save and stop; a second one stops at once.
set -u

say() { printf 'local.sh: %s\n' "$*" >&2; }

usage() {
  say "$*"
  printf 'usage: launch/local.sh [-n RANKS] [-t THREADS] CONFIG [key=value ...]\n' >&2
  exit 64
}

# The cores this process may compute on: nproc knows affinity, lscpu hyperthreads, cpu.max a container's quota.
count_cores() {
  local physical quota period
  logical=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
  cores=$logical
  physical=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)
  if ((physical > 0 && physical < cores)); then cores=$physical; fi
  whole=1
  if ((logical < $(getconf _NPROCESSORS_ONLN))); then whole=0; fi
  if read -r quota period 2>/dev/null </sys/fs/cgroup/cpu.max && [[ $quota != max ]]; then
    quota=$(((quota + period - 1) / period))
    if ((quota < cores)); then cores=$quota whole=0; fi
  fi
  sockets=$(lscpu -p=SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)
  if ((sockets < 1 || whole == 0)); then sockets=1; fi
}

ranks='' threads=''
while getopts ':n:t:' flag; do
  case $flag in
    n) ranks=$OPTARG ;;
    t) threads=$OPTARG ;;
    :) usage "-$OPTARG needs a number" ;;
    *) usage "there is no -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
for number in "$ranks" "$threads"; do
  [[ -z $number || $number =~ ^[1-9][0-9]{0,4}$ ]] || usage "\"$number\" is not a number of ranks or threads"
done
(($# > 0)) || usage "which CONFIG?"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
shoal=$root/.build/release/shoal
[[ -x $shoal ]] || shoal=$(command -v shoal) || {
  say "there is no $shoal: run \"make build\" first"
  exit 64
}
command -v mpirun >/dev/null || {
  say "there is no mpirun: run \"make deps\" first"
  exit 64
}

count_cores
if [[ -z $ranks ]]; then
  ranks=$((threads ? cores / threads : sockets))
  ((ranks > 0)) || ranks=1
fi
if [[ -z $threads ]]; then
  threads=$((cores / ranks))
  ((threads > 0)) || threads=1
fi

# mpirun binds to the cores of the whole host, also those that this process may not use: then do not bind.
if ((whole && ranks * threads <= cores)); then
  placement=(--map-by "slot:PE=$threads" --bind-to core:if-supported)
else
  placement=(--bind-to none --oversubscribe)
fi

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# mpirun comments on every exit code but 0.
export OMPI_MCA_orte_execute_quiet=${OMPI_MCA_orte_execute_quiet:-1}
# Containers may refuse to let one process read another's memory; ranks say too little to each other to miss it.
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
# shoal runs its own threads and calls BLAS from each of them.
export OPENBLAS_NUM_THREADS=1

# mpirun kills its ranks one second after SIGTERM. A longer odls_base_sigkill_timeout is no way out: mpirun
# then waits twice as long after every exit code but 0. SIGUSR1 it passes on, and the ranks save and leave.
stops=0
# shellcheck disable=SC2317  # the trap calls it
stop() {
  ((stops += 1))
  if ((stops == 1)); then
    say "saving, then stopping; a second signal stops at once"
    kill -USR1 "$job" 2>/dev/null
  else
    kill -TERM "$job" 2>/dev/null
  fi
}

# A session of its own, so that a terminal's Ctrl-C reaches this script alone; should the script be killed,
# mpirun is told.
command=(setsid)
if command -v setpriv >/dev/null; then command+=(setpriv --pdeathsig TERM); fi
command+=(mpirun -n "$ranks" "${placement[@]}" "$shoal" train "$1" --threads "$threads" "${@:2}")
"${command[@]}" </dev/null &
job=$!
trap stop USR1 TERM INT HUP

# A signal ends wait early; what the job ended with is asked once more when it is gone.
while wait "$job"; kill -0 "$job" 2>/dev/null; do :; done
wait "$job"
code=$?
case $code in
  0 | 64 | 75) ;;
  *)
    if ((code > 128)); then reason="signal $(kill -l "$((code - 128))")"; else reason="exit code $code"; fi
    say "the job ended with $reason (OMPI_MCA_orte_execute_quiet=0 shows what mpirun says)"
    ;;
esac
exit "$code"
