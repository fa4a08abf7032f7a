# shellcheck shell=bash
# Shared code of the launchers: stop requests, restarts after a crash, the environment of a job.
#
# A launcher sources this file first, so that stop requests are handled from the start. It then sets `command` to
# the command that starts the ranks, and calls `supervise`, which does not return.
# The exit code is 0, 64 (the user's mistake), 75 (stopped; run it again to resume) or 1 (anything else).
set -u

# The maximum number of restarts in a row, the seconds before a restart (doubled each time, up to the longest
# pause), and the duration of a start in seconds after which the count is reset.
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

# Stop requests. mpirun forwards SIGUSR1 to its ranks, which then save and exit. After SIGTERM it sends SIGKILL one
# second later. A longer odls_base_sigkill_timeout does not help, because mpirun then waits twice as long after every
# exit code except 0.
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
    # This wakes up run_once, which forwards the signal.
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

# Sleeps without a child process that could be left behind. No process ever writes to this pipe.
exec {silence}<> <(:)
rest() { read -rt "$1" -u "$silence"; }

# Sets `output` to a command's and returns its exit code. Not $(...): bash may lose a SIGINT that comes as a command ends
# for which it waits by itself.
output_of() {
  local pipe
  output=''
  exec {pipe}< <("$@" </dev/null)
  IFS= read -rd '' output <&"$pipe"
  wait $!
  local code=$?
  exec {pipe}<&-
  return "$code"
}

# What $1 --version says on standard error alone.
# shellcheck disable=SC2069
complaints() { "$1" --version 2>&1 >/dev/null; }

# Sets `shoal` and checks the programs that every job needs. $1: the directory above launch/. Runs shoal once, because
# a program that cannot be loaded would end a job like a crash.
find_programs() {
  local code
  shoal=$1/.build/release/shoal
  [[ -x $shoal ]] || shoal=$(type -P shoal) || mistake "there is no $1/.build/release/shoal: run \"make build\" first"
  type -P mpirun >/dev/null || mistake "there is no mpirun: run \"make deps\" first"
  output_of complaints "$shoal"
  code=$?
  ((code == 0)) || mistake "$shoal does not run (exit code $code): ${output%%$'\n'*}"
}

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Without this, mpirun prints text for every exit code except 0.
export OMPI_MCA_orte_execute_quiet=${OMPI_MCA_orte_execute_quiet:-1}
# Containers may forbid a process to read another's memory. Ranks exchange too little data to need it.
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none}
# shoal runs its own threads and calls BLAS from each of them.
export OPENBLAS_NUM_THREADS=1
# For ranks on other hosts: they get only the environment variables that are named to mpirun.
forwarded=()
for name in OPENBLAS_NUM_THREADS "${!SHOAL_@}"; do forwarded+=(-x "$name"); done

# A job with these flags is not restarted, because it would not resume from what its first start saved.
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

# Runs before each start; a launcher may redefine it. A status other than 0 becomes the status of the start.
prepare_start() { :; }

# Whether mpirun handles SIGUSR1. Before that, and shortly before it ends, the signal would kill it.
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

# Starts the job and waits for its end. Returns the job's exit code.
run_once() {
  prepare_start || return
  # A separate session, so that a terminal's Ctrl-C reaches only the launcher. If the launcher is killed, mpirun gets
  # a signal. If the launcher is killed before that signal is set up, mpirun does not start.
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
      # mpirun loses a signal that comes before its ranks have started, so repeat it.
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

# Describes how a job ended.
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
        # SIGUSR1 or SIGTERM before the job had signal handlers: no work was begun that could be lost.
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
