# The parts of script/bench, which sources this, about many: sessions, connections, routes.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

# --- many sessions -----------------------------------------------------------------------------

bench_sessions() {
  local before after fifth=$((hot / 5))
  start_upstream
  start_vestibule $'[session]\n'"cache = $((hot * 3 / 2))"
  opens "http://localhost:$port/x" "Cookie: $cookie"
  stop_vestibule
  echo "== $sessions sessions in the storage"
  before=$(date +%s)
  python3 benches/seed_sessions.py "$dir/vestibule/data" localhost "${cookie%%=*}" "$sessions"
  printf 'written in %s s, %s MiB\n' "$(($(date +%s) - before))" "$(du -m "$dir/vestibule/data/vestibule.db" | cut -f1)"
  export COOKIES=$dir/vestibule/data/cookies
  run_vestibule
  opens "http://localhost:$port/x" "Cookie: $(head -1 "$COOKIES")"
  # The first of them fill what is there once: the caches of SQLite, the pools.
  heat 0 "$fifth"
  before=$(memory "$vestibule_pid")
  heat "$fifth" $((hot - fifth))
  after=$(memory "$vestibule_pid")
  printf 'resident memory for each hot session %s bytes (%s KiB with %s hot, %s KiB with %s)\n' \
    $(((after - before) * 1024 / (hot - fifth))) "$before" "$fifth" "$after" "$hot"
  rm -f "$dir"/*.runs
  for _ in $(seq "$rounds"); do
    FIRST=0 LINES=10 load 10-hot "$vestibule_pid" "http://localhost:$port/x" -s "$repo/benches/cookies.lua"
    FIRST=0 LINES=$hot load "$hot-hot" "$vestibule_pid" "http://localhost:$port/x" -s "$repo/benches/cookies.lua"
  done
  figures 10-hot
  figures "$hot-hot"
  versus "$hot-hot" 10-hot
}

# heat FIRST MANY: at least one request with each of so many cookies
heat() {
  local first=$1 end=$(($1 + $2)) out
  while ((first < end)); do
    out=$(FIRST=$first LINES=$((end - first)) wrk -t1 -c"$connections" -d2s -s benches/cookies.lua "http://localhost:$port/x")
    grep -q 'Non-2xx' <<<"$out" && fail "a seeded session is none: $(grep Non-2xx <<<"$out")"
    first=$((first + $(awk '$2 == "requests" { print $1 }' <<<"$out")))
  done
}

# --- a large file ------------------------------------------------------------------------------

bench_large_file() {
  local times=()
  start_upstream
  start_vestibule
  opens "http://localhost:$port/x" "Cookie: $cookie"
  rm -f "$dir"/*.runs
  for _ in $(seq "$rounds"); do
    load small-file "$vestibule_pid" "http://localhost:$port/x" -H "Cookie: $cookie"
  done
  large_file >>"$dir/vestibule/config.toml"
  for _ in $(seq "$rounds"); do
    stop_vestibule
    time_start "$dir/vestibule"
    times+=("$took")
  done
  echo "== $file_connections connections and $file_routes routes"
  printf 'ready after %s ms the first time, when it writes down what each connection stands for\n' "${times[0]}"
  printf 'ready after %s ms (median of %s starts)\n' "$(middle "${times[@]}")" "$rounds"
  printf 'memory %s MiB\n' "$(ratio "$(memory "$vestibule_pid")" 1024)"
  local path=/route-$((file_routes / 4 * 2))/x
  opens "http://localhost:$port$path" "Cookie: $cookie"
  for _ in $(seq "$rounds"); do
    load large-file "$vestibule_pid" "http://localhost:$port$path" -H "Cookie: $cookie"
  done
  figures small-file
  figures large-file
  versus large-file small-file
}

# Every second route has a host of its own, the others are paths of ours.
large_file() {
  awk -v connections="$file_connections" -v routes="$file_routes" -v upstream="http://127.0.0.1:$upstream" 'BEGIN {
    for (at = 1; at <= connections; at++)
      printf "[connections.c%d]\nstrategy = \"database\"\ndisplay_name = \"Members of %d\"\n", at, at
    for (at = 1; at <= routes; at++) {
      printf "[[routes]]\nupstream = \"%s\"\nconnections = [\"members\", \"c%d\"]\n", upstream, 1 + at % connections
      if (at % 2) printf "host = \"app-%d.localhost\"\n", at
      else printf "path = \"/route-%d\"\nallow = [\"connection:members\"]\n", at
    }
  }'
}
