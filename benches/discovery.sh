# The part of script/bench, which sources this, about home realm discovery.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

bench_discovery() {
  start_upstream
  start_vestibule
  cp "$dir/vestibule/config.toml" "$dir/plain.toml"
  stop_vestibule
  rm -f "$dir"/*.runs
  for _ in $(seq "$rounds"); do
    discover 10-domains 2 5
    discover "$file_domains-domains" $((file_domains / 10)) 10
  done
  echo "== where $file_domains domains of $((file_domains / 10)) connections lead, and 10 of 2 (medians of $rounds runs)"
  for size in 10-domains "$file_domains-domains"; do
    for kind in known unknown page; do figures "$size-$kind"; done
  done
  for kind in unknown page; do
    echo "discovery $kind ten-thousand/ten $(ratio "$(median "$file_domains-domains-$kind" 2)" "$(median "10-domains-$kind" 2)")"
  done
  # CPU time per request with a domain that is known
  echo "discovery ten-thousand/ten $(ratio "$(median "$file_domains-domains-known" 2)" "$(median 10-domains-known 2)")"
}

# discover NAME CONNECTIONS EACH: one run of each kind with so many connections of so many domains
discover() {
  local jar=$dir/discovery.jar
  rm -f "$jar"
  { cat "$dir/plain.toml"; connections_with_domains "$2" "$3"; } >"$dir/vestibule/config.toml"
  run_vestibule
  page /.auth/login "$jar" login
  export_form "$jar"
  export CONNECTIONS=$2 EACH=$3
  KNOWN=yes leads_on
  KNOWN=yes load "$1-known" "$vestibule_pid" "http://localhost:$port" -s "$repo/benches/discovery.lua"
  KNOWN=no load "$1-unknown" "$vestibule_pid" "http://localhost:$port" -s "$repo/benches/discovery.lua"
  load "$1-page" "$vestibule_pid" "http://localhost:$port/.auth/login" -H 'Accept: text/html'
  stop_vestibule
}

# Fails unless the last domain leads to the last connection: a fast refusal is no figure.
leads_on() {
  local found
  found=$(curl -s -H "Cookie: $FLOW_COOKIE" -H "Origin: $ORIGIN" -H 'Sec-Fetch-Site: same-origin' \
    --data "$FORM&login=somebody%40d$EACH.c$CONNECTIONS.example" "$ORIGIN$ACTION")
  grep -q "c$CONNECTIONS.provider.example" <<<"$found" || fail "the last domain leads nowhere: $found"
}

# Found by their domains alone, as a thousand customers are: the login page has no button for them.
connections_with_domains() {
  awk -v connections="$1" -v each="$2" 'BEGIN {
    for (at = 1; at <= connections; at++) {
      printf "[connections.c%d]\nstrategy = \"oauth2\"\nclient_id = \"x\"\nclient_secret = \"of the provider\"\n", at
      printf "button = false\ndomains = ["
      for (one = 1; one <= each; one++) printf "\"d%d.c%d.example\", ", one, at
      printf "]\n[connections.c%d.provider]\nsubject = \"id\"\n", at
      printf "authorization.endpoint = \"https://c%d.provider.example/authorize\"\n", at
      printf "token.endpoint = \"https://c%d.provider.example/token\"\n", at
    }
  }'
}
