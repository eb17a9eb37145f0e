# The part of script/bench, which sources this, about users that come from elsewhere.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

bench_import() {
  local file=$dir/users.json half=$((users / 2)) began
  start_upstream
  start_vestibule
  stop_vestibule
  python3 benches/auth0_users.py "$users" >"$file"
  echo "== $users users from Auth0, $(du -m "$file" | cut -f1) MiB of JSON"
  began=$(date +%s%N)
  bring_in "$file" >"$dir/first.json" 2>/dev/null &
  pids+=("$!")
  until (($(users_there) >= half)); do
    kill -0 "${pids[-1]}" 2>/dev/null || fail "half of them were never there: $(cat "$dir/first.json")"
    sleep 0.2
  done
  kill -9 "${pids[-1]}"
  wait "${pids[-1]}" 2>/dev/null || true
  printf 'killed with %s of them there, after %s ms\n' "$(users_there)" "$((($(date +%s%N) - began) / 1000000))"
  began=$(date +%s%N)
  (bring_in "$file") >"$dir/second.json" 2>/dev/null || fail "it ends with an error: $(cat "$dir/second.json")"
  printf 'finished in %s ms: %s\n' "$((($(date +%s%N) - began) / 1000000))" "$(tr -d '\n' <"$dir/second.json")"
  # The one who signed up for the start is there, too.
  (($(users_there) == users + 1)) || fail "$(users_there) users, not $((users + 1))"
  rm -rf "$dir/vestibule/data"
  began=$(date +%s%N)
  (bring_in "$file") >"$dir/whole.json" 2>/dev/null || fail "it ends with an error: $(cat "$dir/whole.json")"
  printf 'all at once in %s ms: %s\n' "$((($(date +%s%N) - began) / 1000000))" "$(tr -d '\n' <"$dir/whole.json")"
  printf 'storage %s MiB\n' "$(du -m "$dir/vestibule/data/vestibule.db" | cut -f1)"
}

# In place of a subshell, so that its death is the command's.
bring_in() {
  cd "$dir/vestibule"
  exec "$vestibule" users import --connection members "$1"
}

users_there() {
  sqlite3 -cmd '.timeout 5000' "$dir/vestibule/data/vestibule.db" 'SELECT count(*) FROM users'
}
