#!/usr/bin/env bash
# Put Swagger UI, which draws /docs, into shared/http/web/swagger-ui: the page must work without a network,
# and a browser that shows it must tell nobody. `requirements/swagger-ui.sh 5.35.0` takes that version.
set -euo pipefail
cd "$(dirname "$0")/../shared/http/web/swagger-ui"
version=${1:-$(cat VERSION)}
packed=$(mktemp -d)
trap 'rm -rf "$packed"' EXIT

npm pack --silent --pack-destination "$packed" "swagger-ui-dist@$version" >/dev/null
tar -xzf "$packed"/*.tgz -C "$packed"
files=(LICENSE NOTICE favicon-32x32.png swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css)
for name in "${files[@]}"; do cp "$packed/package/$name" "$name"; done
chmod 644 "${files[@]}"
sha256sum "${files[@]}" >SHA256SUMS
printf '%s\n' "$version" >VERSION
echo "swagger-ui-dist $version is in shared/http/web/swagger-ui; its files are as published"
