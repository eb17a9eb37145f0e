# How script/bench, which sources this, measures: CPU time, runs of wrk, medians.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

# cpu PID: CPU time of a process and its descendants so far, in nanoseconds, over all threads
cpu() {
  local all=("$1") pid child total=0 used rest
  for ((at = 0; at < ${#all[@]}; at++)); do
    pid=${all[at]}
    for child in $(pgrep -P "$pid" || true); do all+=("$child"); done
    for stat in /proc/"$pid"/task/*/schedstat; do
      read -r used rest <"$stat" 2>/dev/null || continue
      total=$((total + used))
    done
  done
  echo "$total"
}

# opens URL HEADER: fails unless it answers 200 (wrk takes a redirect to a login for a success)
opens() {
  local status
  status=$(curl -s -o /dev/null -w '%{http_code}' -H "$2" "$1")
  [[ $status == 200 ]] || fail "$1 answers $status, not 200"
}

# load NAME PID URL [WRK OPTION…]: one run of wrk; appends requests per second, CPU microseconds
# per request, p50 and p99 in milliseconds to $dir/NAME.runs
load() {
  local name=$1 pid=$2 url=$3
  shift 3
  local before after out
  before=$(cpu "$pid")
  out=$(wrk -t1 -c"$connections" -d"${seconds}s" --latency "$@" "$url")
  after=$(cpu "$pid")
  if [[ ${expect_success:-yes} == yes ]] && grep -q 'Non-2xx' <<<"$out"; then
    fail "$name answers with errors: $(grep Non-2xx <<<"$out")"
  fi
  awk -v cpu=$((after - before)) '
    function ms(text) {
      if (text ~ /us$/) return text / 1000
      if (text ~ /ms$/) return text + 0
      return text * 1000
    }
    $1 == "50%" { p50 = ms($2) }
    $1 == "99%" { p99 = ms($2) }
    $2 == "requests" { n = $1 }
    $1 == "Requests/sec:" { rps = $2 }
    END { printf "%.1f %.3f %.3f %.3f\n", rps, cpu / 1000 / n, p50, p99 }' <<<"$out" >>"$dir/$name.runs"
}

# median NAME COLUMN
median() {
  # shellcheck disable=SC2046  # one word for each run
  middle $(awk -v column="$2" '{ print $column }' "$dir/$1.runs")
}

# middle NUMBER…: the median of them
middle() {
  printf '%s\n' "$@" | sort -g |
    awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

figures() {
  printf '%-24s %10.0f requests/s %8.1f us CPU/request   p50 %.2f ms   p99 %.2f ms\n' \
    "$1" "$(median "$1" 1)" "$(median "$1" 2)" "$(median "$1" 3)" "$(median "$1" 4)"
}

ratio() {
  awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'
}

# versus NAME OTHER: the ratio of requests per second, and that of CPU time per request
versus() {
  echo "$1/$2 $(ratio "$(median "$1" 1)" "$(median "$2" 1)")"
  echo "$1/$2, CPU time per request $(ratio "$(median "$1" 2)" "$(median "$2" 2)")"
}

# memory PID: what is resident when it has settled, in KiB
memory() {
  sleep 4
  awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}
