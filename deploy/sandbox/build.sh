#!/bin/sh
# Make the image that the Docker sandbox runs programs in, from Debian's packages. Needs no image registry:
#
#   apt-get install mmdebstrap
#   deploy/sandbox/build.sh                        # the image watchkeeper-sandbox, with Python
#   deploy/sandbox/build.sh --include git,nodejs   # with more packages
#
# Where there is a registry, `docker build deploy/sandbox` does the same from any base. DOCKER_HOST names another
# engine than the usual one. No root is needed where user namespaces are allowed.
set -eu

usage() {
    echo "usage: build.sh [--name IMAGE] [--include PACKAGE,...] [--suite DEBIAN-SUITE]" >&2
    exit 2
}

# `sandbox.image` in watchkeeper.yaml names the image.
name=watchkeeper-sandbox
# sh and the usual tools are in every Debian; Python is what the python runner needs.
packages=python3
suite=bookworm
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
        --name) name=$2 ;;
        --include) packages=$packages,$2 ;;
        --suite) suite=$2 ;;
        *) usage ;;
    esac
    shift 2
done

# Tools of the administrator, which an ordinary path leaves out.
PATH=$PATH:/usr/sbin:/sbin
for program in mmdebstrap docker; do
    command -v "$program" >/dev/null || { echo "build.sh: $program is not installed" >&2; exit 1; }
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT INT TERM

# `essential` leaves out even apt: whatever is not there cannot be turned against anybody. The setuid bits go
# too, though a sandbox drops all capabilities and forbids new ones. Docker takes the mode of a temporary file
# system from the image, so /tmp must be everybody's.
mmdebstrap --quiet --variant=essential --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +' \
    --customize-hook='mkdir -p "$1/workspace" && chmod 1777 "$1/tmp"' \
    "$suite" "$folder/root.tar"

docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' --change 'WORKDIR /workspace' \
    "$folder/root.tar" "$name" >/dev/null
echo "$name is ready: name it as sandbox.image in watchkeeper.yaml; \`watchkeeper doctor\` tries it out"
