#!/usr/bin/env bash
# Runs one training job on several hosts. Restarts it after a crash, without the hosts that no longer answer.
#
#     launch/hosts.sh -H HOSTFILE [-t THREADS] [-r RESTARTS] CONFIG [key=value ...]
#
# HOSTFILE has Open MPI's format: one host name or address per line, `slots=N` for N ranks (default 1), # for
# comments. The default for THREADS per rank is the host's cores divided by its ranks. Hosts must be reachable
# through ssh without a password (or through OMPI_MCA_plm_rsh_agent). The program, CONFIG and the model must have
# the same path on all hosts. output_dir must too, and on a shared file system: otherwise the checkpoints are
# lost with the first host. The result does not depend on the number of hosts that are left.
#
# Ranks communicate over plain TCP, without encryption or authentication. Use a network that you trust. To use only
# one of several networks, set OMPI_MCA_btl_tcp_if_include and OMPI_MCA_oob_tcp_if_include (such as 10.1.0.0/16).
#
# Exit codes, restarts and signals are the same as for local.sh.
# shellcheck source-path=SCRIPTDIR
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/launch/supervise.sh"

usage() {
  say "$*"
  printf 'usage: launch/hosts.sh -H HOSTFILE [-t THREADS] [-r RESTARTS] CONFIG [key=value ...]\n' >&2
  exit 64
}

# Fills `hosts` and `slots`. Names cannot contain characters with a meaning for options, lists or the shell.
declare -a hosts=()
declare -A slots=()
read_hosts() {
  local line number=0 name blank='[[:space:]]'
  local host='[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?' count='[1-9][0-9]{0,4}'
  local form="^$blank*($host)($blank+slots$blank*=$blank*($count))?($blank+max[-_]slots$blank*=$blank*$count)?$blank*\$"
  while IFS= read -r line || [[ -n $line ]]; do
    ((number += 1))
    line=${line%%#*}
    [[ $line =~ [^[:space:]] ]] || continue
    [[ $line =~ $form ]] || mistake "$1:$number: $(printf %q "$line"): expected a host name and, if you like, slots=N"
    name=${BASH_REMATCH[1]}
    [[ -n ${slots[$name]:-} ]] || hosts+=("$name")
    slots[$name]=$((${slots[$name]:-0} + ${BASH_REMATCH[4]:-1}))
  done <"$1"
  ((${#hosts[@]})) || mistake "$1 names no host"
}

# Quotes a word for the shell of another host.
quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# Whether a host answers, and has the files. Status 66: no program there that runs; 67: no CONFIG.
probe() {
  local check
  check="$(quoted "$shoal") --version || exit 66; test -r $(quoted "$config") || exit 67"
  if [[ $1 = localhost || ${1%%.*} = "${HOSTNAME%%.*}" ]]; then
    sh -c "$check"
  else
    timeout 8 "${agent[@]}" "$1" "$check"
  fi
}

# Chooses the hosts of the next start. At the first start, a host without the files is a the user's mistake.
# Later the host has lost them, and is left out like a host that does not answer.
starts=0
prepare_start() {
  local host index code total=0 probes=() list=() missing
  ((starts += 1))
  for host in "${hosts[@]}"; do
    probe "$host" </dev/null >/dev/null 2>&1 {silence}>&- &
    probes+=($!)
  done
  for index in "${!hosts[@]}"; do
    host=${hosts[index]}
    wait "${probes[index]}"
    code=$?
    case $code in
      0)
        list+=("$host:${slots[$host]}")
        ((total += slots[$host]))
        ;;
      66 | 67)
        if ((code == 66)); then missing="$shoal that runs"; else missing=$config; fi
        ((starts > 1)) || mistake "$host has no $missing: program and CONFIG lie at the same path on all hosts"
        say "$host is left out: it has no $missing"
        ;;
      *) say "$host is left out: it does not answer (exit code $code of ${agent[0]})" ;;
    esac
  done
  if ((total == 0)); then
    say "no host is left"
    return 1
  fi
  local IFS=,
  say "ranks by host: ${list[*]}"
  command=(mpirun --host "${list[*]}" -n "$total" --bind-to none "${forwarded[@]}" "$shoal" train "${arguments[@]}")
}

hostfile='' threads=''
while getopts ':H:t:r:' flag; do
  case $flag in
    H) hostfile=$OPTARG ;;
    t) require_number threads "$OPTARG" && threads=$OPTARG ;;
    r) require_count restarts "$OPTARG" && restarts=$OPTARG ;;
    :) usage "-$OPTARG needs a value" ;;
    *) usage "there is no -$OPTARG" ;;
  esac
done
shift $((OPTIND - 1))
[[ -n $hostfile ]] || usage "which -H HOSTFILE?"
(($# > 0)) || usage "which CONFIG?"
[[ -r $hostfile && ! -d $hostfile ]] || mistake "$hostfile cannot be read"
read_hosts "$hostfile"
find_programs "$root"

arguments=("$1" ${threads:+--threads "$threads"} "${@:2}")
config=$1
[[ $config = /* ]] || config=$PWD/$config
# The first program that Open MPI would try.
read -ra agent <<<"${OMPI_MCA_plm_rsh_agent:-ssh}"
agent=("${agent[@]%%:*}")
if [[ ${agent[0]##*/} = ssh ]]; then agent+=(-o BatchMode=yes -o ConnectTimeout=5); fi
supervise "${arguments[@]}"
