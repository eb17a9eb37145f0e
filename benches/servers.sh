# The servers of script/bench, which sources this: each starts on a free port and is ended by its pid.
# shellcheck shell=bash disable=SC2154  # what is not set here is set there

# start NAME PORT COMMAND…: runs it in the background with its output in a file; its pid is $started
start() {
  local name=$1 port=$2
  shift 2
  "$@" >"$dir/$name.log" 2>&1 &
  started=$!
  pids+=("$started")
  for _ in $(seq 300); do
    kill -0 "$started" 2>/dev/null || fail "$name ended: $(tail -5 "$dir/$name.log")"
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
    sleep 0.05
  done
  fail "$name does not listen on $port: $(tail -5 "$dir/$name.log")"
}

end_all() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

finish() {
  end_all
  rm -rf "$dir"
}

fail() {
  echo "bench: $*" >&2
  exit 1
}

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

start_upstream() {
  upstream=$(free_port)
  nginx_conf upstream "$(sed "s/@UPSTREAM@/$upstream/g" benches/nginx-upstream.conf)"
  start upstream "$upstream" nginx -p "$dir" -c upstream.conf -e stderr
}

nginx_conf() {
  local name=$1 servers=$2 text
  text=$(<benches/nginx.conf.in)
  text=${text//@NAME@/$name}
  printf '%s\n' "${text//@SERVERS@/$servers}" >"$dir/$name.conf"
}

# start_vestibule [SECTION]: the product in front of the upstream, with alice signed up, and with this
# section in its file; sets $vestibule_pid, $port, $admin, $cookie
start_vestibule() {
  port=$(free_port) admin=$(free_port)
  mkdir -p "$dir/vestibule"
  cat >"$dir/vestibule/config.toml" <<X
config_version = 1
[server]
listen = ["127.0.0.1:$port"]
public_url = "http://localhost:$port"
trusted_proxies = ["127.0.0.1"]
threads = $threads
[admin]
listen = "127.0.0.1:$admin"
[log]
level = "warn"
${1:-}
[connections.members]
strategy = "database"
signup = true
[[routes]]
path = "/"
upstream = "http://127.0.0.1:$upstream"
[[routes]]
path = "/rule"
upstream = "http://127.0.0.1:$upstream"
allow = ["request.method == 'GET' && user.handle == 'alice'"]
[[routes]]
path = "/assertion"
upstream = "http://127.0.0.1:$upstream"
assertion = true
X
  run_vestibule
  sign_up alice
}

run_vestibule() {
  start vestibule "$port" in_folder "$dir/vestibule" "$vestibule" run
  vestibule_pid=$started
  for _ in $(seq 200); do
    curl -sf "http://127.0.0.1:$admin/readyz" >/dev/null && return
    sleep 0.05
  done
  fail "vestibule is not ready: $(tail -5 "$dir/vestibule.log")"
}

stop_vestibule() {
  kill "$vestibule_pid"
  wait "$vestibule_pid" 2>/dev/null || true
}

# time_start FOLDER: starts the product there; sets $vestibule_pid, and $took to the milliseconds
# until it is ready
time_start() {
  local begun
  begun=$(date +%s%N)
  in_folder "$1" "$vestibule" run >"$dir/vestibule.log" 2>&1 &
  vestibule_pid=$!
  pids+=("$!")
  until ready; do
    kill -0 "$vestibule_pid" 2>/dev/null || fail "vestibule ended: $(tail -5 "$dir/vestibule.log")"
    sleep 0.002
  done
  took=$((($(date +%s%N) - begun) / 1000000))
}

# Asks /readyz; without a process for it, which would take as long as what is measured.
ready() {
  local line=""
  { exec 3<>"/dev/tcp/127.0.0.1/$admin"; } 2>/dev/null || return 1
  printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$admin" >&3
  read -r -t 1 line <&3 || true
  exec 3>&-
  [[ $line == *" 200 "* ]]
}

in_folder() {
  cd "$1"
  shift
  exec "$@"
}

# page PATH JAR [FIELD]: fetches a page of ours and sets $action and $hidden from its form with that
# field, by default a password
page() {
  local html field=${3:-password\\|new_password}
  html=$(curl -sfL -b "$2" -c "$2" -H 'Accept: text/html' "http://localhost:$port$1")
  html=$(tr '\n' ' ' <<<"$html" | sed 's/<form/\n<form/g' | grep "name=\"\($field\)\"" | head -1)
  action=$(sed -n 's/.*<form[^>]*action="\([^"]*\)".*/\1/p' <<<"$html" | unescape)
  hidden=$(grep -o '<input type="hidden" name="[^"]*" value="[^"]*"' <<<"$html" | unescape |
    sed 's/.*name="\([^"]*\)" value="\([^"]*\)"/\1=\2/')
}

unescape() {
  sed 's/&amp;/\&/g; s/&#x2[fF];/\//g; s/&#x3[dD];/=/g; s/&quot;/"/g'
}

# export_form JAR: the form that page found, for a script of wrk: $ORIGIN, $ACTION, $FLOW_COOKIE and
# $FORM, its hidden fields as they are sent
export_form() {
  export ORIGIN=http://localhost:$port ACTION=$action
  FLOW_COOKIE=$(awk 'NF > 6 { printf "%s=%s; ", $6, $7 }' "$1")
  FORM=$(while IFS='=' read -r key text; do
    [[ -z $key ]] || printf '%s=%s&' "$key" "$(encode "$text")"
  done <<<"$hidden")
  export FLOW_COOKIE FORM=${FORM%&}
}

encode() {
  local text=$1 at
  for ((at = 0; at < ${#text}; at++)); do
    case ${text:at:1} in
      [a-zA-Z0-9._~-]) printf '%s' "${text:at:1}" ;;
      *) printf '%%%02X' "'${text:at:1}" ;;
    esac
  done
}

# post JAR FIELD…: submits the form that page found
post() {
  local jar=$1 words=()
  shift
  while read -r field; do
    [[ -n $field ]] && words+=(--data-urlencode "$field")
  done <<<"$hidden"
  for field in "$@"; do words+=(--data-urlencode "$field"); done
  curl -sf -o /dev/null -b "$jar" -c "$jar" -H "Origin: http://localhost:$port" \
    -H 'Sec-Fetch-Site: same-origin' -H 'Sec-Fetch-Mode: navigate' -H 'Accept: text/html' \
    "${words[@]}" "http://localhost:$port$action"
}

session_of() {
  awk '$6 ~ /^vestibule-[0-9a-f]+$/ { print $6 "=" $7 }' "$1" | tail -1
}

sign_up() {
  local jar=$dir/$1.jar
  page /.auth/signup/members "$jar"
  post "$jar" "email=$1@example.com" "username=$1" "password=$password"
  cookie=$(session_of "$jar")
  [[ -n $cookie ]] || fail "no session after sign-up"
}

sign_in() {
  local jar=$2
  page /.auth/login "$jar"
  post "$jar" "login=$1" "password=$password"
  session_of "$jar"
}

# Three: with the product's settings, as pingora comes, and with the product's header fields.
start_bare() {
  bare_port=$(free_port)
  start bare "$bare_port" "$bare" "127.0.0.1:$bare_port" "127.0.0.1:$upstream" "$threads"
  bare_pid=$started
  stealing_port=$(free_port)
  start stealing "$stealing_port" "$bare" "127.0.0.1:$stealing_port" "127.0.0.1:$upstream" "$threads" stealing
  stealing_pid=$started
  fields_port=$(free_port)
  start fields "$fields_port" "$bare" "127.0.0.1:$fields_port" "127.0.0.1:$upstream" "$threads" fields
  fields_pid=$started
  timeouts_port=$(free_port)
  start timeouts "$timeouts_port" "$bare" "127.0.0.1:$timeouts_port" "127.0.0.1:$upstream" "$threads" timeouts
  timeouts_pid=$started
  furnished_port=$(free_port)
  start furnished "$furnished_port" "$bare" "127.0.0.1:$furnished_port" "127.0.0.1:$upstream" "$threads" fields timeouts
  furnished_pid=$started
}

start_nginx() {
  front=$(free_port)
  local auth
  auth=$(free_port)
  nginx_conf front "$(sed "s/@UPSTREAM@/$upstream/g; s/@AUTH@/$auth/g; s/@FRONT@/$front/g" benches/nginx-front.conf)"
  start front "$front" nginx -p "$dir" -c front.conf -e stderr
  front_pid=$started
}

start_apache() {
  apache=$(free_port)
  local op modules=/usr/lib/apache2/modules user=$USER_NAME
  op=$(free_port)
  start op "$op" /usr/bin/python3 benches/op.py "$op"
  mkdir -p "$dir/apache"
  chown "$user" "$dir/apache" 2>/dev/null || true
  local load=""
  for name in mpm_event authz_core authz_user authn_core proxy proxy_http auth_openidc; do
    load+="LoadModule ${name}_module $modules/mod_$name.so"$'\n'
  done
  local text
  text=$(sed "s|@DIR@|$dir|g; s/@APACHE@/$apache/g; s/@OP@/$op/g; s/@UPSTREAM@/$upstream/g;
    s/@USER@/$user/g; s/@GROUP@/$(id -gn "$user")/g" benches/apache.conf.in)
  printf '%s\n' "${text//@MODULES@/$load}" >"$dir/apache.conf"
  start apache "$apache" apache2 -d "$dir" -f "$dir/apache.conf" -DFOREGROUND
  apache_pid=$started
  curl -sfL -o /dev/null -b "$dir/apache.jar" -c "$dir/apache.jar" "http://127.0.0.1:$apache/" ||
    fail "no session at Apache: $(tail -3 "$dir/apache/error.log")"
  apache_cookie=$(awk '$6 ~ /^mod_auth_openidc_session/ { print $6 "=" $7 }' "$dir/apache.jar")
}
USER_NAME=$(id -un)
((EUID)) || USER_NAME=www-data
