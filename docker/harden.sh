#!/bin/sh
# Takes out of the finished image what a running container must not offer: programs that run as another
# user (setuid, setgid), and pip in every place where the base may have it.
set -eu

# A folder keeps its setgid bit, which only says whose new files are.
find / -xdev -type f \( -perm -4000 -o -perm -2000 \) -exec chmod u-s,g-s {} +
find / -xdev \( -path '*/site-packages/pip' -o -path '*/site-packages/pip-*' \
    -o -path '*/dist-packages/pip' -o -path '*/dist-packages/pip-*' -o -path '*/ensurepip' \
    -o -path '/usr/share/python-wheels' \) -prune -exec rm -rf {} +
find / -xdev \( -path '*/bin/pip' -o -path '*/bin/pip[0-9]*' \) ! -type d -exec rm -f {} +
