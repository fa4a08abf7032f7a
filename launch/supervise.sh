# shellcheck shell=bash
# What the launchers share: stop requests, restarts after a crash, the environment of a job.
#
# A launcher sources this before anything else, so that a stop request finds a listener from its first
# moment, fills `command` with what starts the ranks, and calls `supervise`, which does not return.
# The exit code is 0, 64 (the user's mistake), 75 (stopped; run it again to go on) or 1 (anything else).
set -u

# How often a job is started again in a row, the seconds before it (doubled each time, up to the longest), and
# the seconds of a start after which the count begins anew.
restarts=5
first_pause=1
longest_pause=60
steady_seconds=600

launcher=${0##*/}
command=()

say() { printf '%s: %s\n' "$launcher" "$*" >&2; }

mistake() {
  say "$*"
  exit 64
}

require_number() {
  [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || usage "\"$2\" is not a number of $1"
}

require_count() {
  [[ $2 = 0 ]] || require_number "$1" "$2"
}

# Stop requests. SIGUSR1 is what mpirun passes on to its ranks, which then save and leave. SIGTERM it follows
# with SIGKILL after one second; a longer odls_base_sigkill_timeout is no way out: mpirun then waits twice as
# long after every exit code but 0.
stops=0
first_signal=''
is_running=0
job=''
ask_to_stop() {
  ((stops += 1))
  # shellcheck disable=SC2034  # slurm.sbatch asks
  if ((stops == 1)); then first_signal=$1; fi
  if ((is_running == 0)); then
    say "SIG$1: stopped; nothing was running"
    exit 75
  elif ((stops == 1)); then
    # Passed on by run_once, which this woke up.
    say "SIG$1: saving, then stopping; a second signal stops at once"
  else
    say "SIG$1: stopping at once"
    [[ -z $job ]] || kill -TERM "$job" 2>/dev/null
  fi
}
trap 'ask_to_stop USR1' USR1
trap 'ask_to_stop TERM' TERM
trap 'ask_to_stop INT' INT
trap 'ask_to_stop HUP' HUP

# Sleeps without a process that could be left behind: nobody ever writes to this pipe.
exec {silence}<> <(:)
rest() { read -rt "$1" -u "$silence"; }

# Sets `shoal`, and sees to what every job needs. $1: the directory above launch/. A program that cannot be loaded
# ends a job as a crash does, so it is run once before there is a job.
find_programs() {
  local complaint code
  shoal=$1/.build/release/shoal
  [[ -x $shoal ]] || shoal=$(type -P shoal) || mistake "there is no $1/.build/release/shoal: run \"make build\" first"
  type -P mpirun >/dev/null || mistake "there is no mpirun: run \"make deps\" first"
  complaint=$("$shoal" --version 2>&1 >/dev/null </dev/null)
  code=$?
  ((code == 0)) || mistake "$shoal does not run (exit code $code): ${complaint%%$'\n'*}"
}

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# mpirun comments on every exit code but 0.
export OMPI_MCA_orte_execute_quiet=${OMPI_MCA_orte_execute_quiet:-1}
# Containers may refuse to let one process read another's memory; ranks say too little to each other to miss it.
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
# shoal runs its own threads and calls BLAS from each of them.
export OPENBLAS_NUM_THREADS=1
# For ranks on other hosts, which get no more of the environment than mpirun is told.
forwarded=()
for name in OPENBLAS_NUM_THREADS "${!SHOAL_@}"; do forwarded+=(-x "$name"); done

# A job with these flags is not started again: it would not go on from what its first start saved.
# Usage: find_obstacle ARGUMENT ...
obstacle=''
find_obstacle() {
  local argument option=''
  for argument in "$@"; do
    case $option$argument in
      --resume) option='--resume=' ;;
      --resume=auto) option='' ;;
      --resume=* | --overwrite) obstacle=$option$argument option='' ;;
      *) option='' ;;
    esac
  done
}

# What is to be done before each start: a launcher may define its own. Another status than 0 is the start's.
prepare_start() { :; }

# Whether mpirun listens to SIGUSR1: before it does, and when it is about to end, the signal would kill it.
hears_stop() {
  local key value
  while read -r key value; do
    if [[ $key = SigCgt: ]]; then
      ((16#$value >> ($(kill -l USR1) - 1) & 1))
      return
    fi
  done 2>/dev/null <"/proc/$1/status"
  return 1
}

# Starts the job and waits for its end; its status is the job's exit code.
run_once() {
  prepare_start || return
  # A session of its own, so that a terminal's Ctrl-C reaches the launcher alone; should the launcher be
  # killed, mpirun is told, and if that was before it could be told, it does not start.
  local start=(setsid)
  if type -P setpriv >/dev/null; then start+=(setpriv --pdeathsig TERM); fi
  # shellcheck disable=SC2016  # for the inner shell
  start+=(bash -c '((PPID == $0)) || exit 1; exec "$@"' "$$")
  is_running=1
  "${start[@]}" "${command[@]}" </dev/null {silence}>&- &
  job=$!
  local due=0
  while kill -0 "$job" 2>/dev/null; do
    if ((stops == 0)); then
      # A signal ends the wait early.
      wait "$job"
    else
      # mpirun loses a signal that comes before its ranks are there: say it again.
      if ((stops == 1 && SECONDS >= due)) && hears_stop "$job"; then
        kill -USR1 "$job" 2>/dev/null
        due=$((SECONDS + 2))
      fi
      rest 0.1
    fi
  done
  wait "$job"
  local code=$?
  job='' is_running=0
  return "$code"
}

# How a job ended, in words.
ending() {
  local signal
  if (($1 > 128)) && signal=$(kill -l "$(($1 - 128))" 2>/dev/null) && [[ -n $signal ]]; then
    printf 'was ended by SIG%s' "$signal"
  else
    printf 'ended with exit code %s' "$1"
  fi
}

# Runs `command`, again after each crash, and exits with the launcher's code. $@: shoal's arguments.
supervise() {
  local code started what restart=0 pause=$first_pause
  find_obstacle "$@"
  while :; do
    started=$SECONDS
    run_once
    code=$?
    what="$(printf '%(%F %T)T' -1): the job $(ending "$code") after $((SECONDS - started)) s"
    case $code in
      0 | 64 | 75) exit "$code" ;;
      138 | 143)
        # SIGUSR1 or SIGTERM, before anybody there listened: nothing was begun that could be lost.
        say "$what: it was asked to stop before its work began"
        exit 75
        ;;
    esac
    if ((stops)); then
      say "$what. It had been asked to stop, so it is not started again; run it again to go on"
      exit 1
    fi
    if [[ -n $obstacle ]]; then
      say "$what. It is not started again because of $obstacle; run it without that to go on"
      exit 1
    fi
    if ((SECONDS - started >= steady_seconds)); then restart=0 pause=$first_pause; fi
    if ((restart >= restarts)); then
      say "$what. It is not started again: $restart restarts in a row of $restarts allowed" \
        "(OMPI_MCA_orte_execute_quiet=0 shows what mpirun says)"
      exit 1
    fi
    ((restart += 1))
    say "$what; restart $restart of $restarts in $pause s"
    rest "$pause"
    pause=$((2 * pause < longest_pause ? 2 * pause : longest_pause))
  done
}
