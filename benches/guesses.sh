# The part of script/bench, which sources this, about guessing the codes of messages.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

bench_guesses() {
  start_upstream
  start_vestibule '[mail]
url = "file:outbox"
from = "no-reply@acme.example"
[connections.mail]
strategy = "email"'
  # The login page goes straight to the only connection.
  sed -i '/^\[connections.members\]/,/^signup/d' "$dir/vestibule/config.toml"
  stop_vestibule
  run_vestibule
  export ORIGIN=http://localhost:$port FLOWS=$dir/flows
  local outbox=$dir/vestibule/outbox jar=$dir/ann.jar
  echo "== $guesses codes guessed at one address"
  echo "before: $(python3 benches/guesses.py honest "$ORIGIN" "$outbox" "$jar")"
  python3 benches/guesses.py ask "$ORIGIN" "$outbox" "$dir/stranger.jar"
  echo "$(python3 benches/guesses.py open "$ORIGIN" 300 "$FLOWS") of 300 browsers of 300 networks got a message"
  : >"$dir/guesses"
  until (($(made) >= guesses)); do
    wrk -t1 -c"$connections" -d10s -s benches/guesses.lua "$ORIGIN" | grep '^guesses' >>"$dir/guesses"
  done
  awk '{ for (at = 2; at <= 7; at++) sum[at] += $at } END {
    printf "%d guesses in %d s: %d compared, %d too late, %d refused, %d right, %d else\n",
      sum[2], NR * 10, sum[3], sum[4], sum[5], sum[6], sum[7] }' "$dir/guesses"
  echo "after: $(python3 benches/guesses.py link "$ORIGIN" "$dir/stranger.jar")"
  echo "after: $(python3 benches/guesses.py honest "$ORIGIN" "$outbox" "$jar")"
}

made() {
  awk '{ sum += $2 } END { printf "%d", sum }' "$dir/guesses"
}
