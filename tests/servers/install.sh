#!/usr/bin/env bash
# Install what the real servers need and this machine lacks: Debian packages under root, Kafka's jars by Maven.
# Never fails by itself: a part that is still missing is named by the test run, and fails it where CI=true.
set -u
cd "$(dirname "$0")/../.."

lacking=()
have() { command -v "$1" >/dev/null 2>&1; }
have java || lacking+=(openjdk-17-jre-headless)
have mvn || compgen -G '.cache/kafka/jars-*' >/dev/null || lacking+=(maven)
have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || lacking+=(postgresql)
have faketime || lacking+=(faketime)
{ have prometheus && have promtool; } || lacking+=(prometheus)

if [ ${#lacking[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && have apt-get; then
    echo "Installing ${lacking[*]}"
    # Packages must not start services of their own: the tests start theirs, on free ports.
    policy=/usr/sbin/policy-rc.d
    made_policy=
    if [ ! -e $policy ]; then
      printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made_policy=yes
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${lacking[@]}"; } >/dev/null ||
      echo "could not install ${lacking[*]}"
    [ -z "$made_policy" ] || rm -f $policy
  else
    echo "Missing here, and only root can install it: ${lacking[*]}"
  fi
fi
.venv/bin/python -m tests.servers.kafka fetch || true
