# Source this file: it gives the shell `pdn` and the nodes. Works in bash and zsh.
#
#     . ./env.sh

if [ -n "${ZSH_VERSION-}" ]; then
    eval '_pdn_root=${${(%):-%x}:A:h}'
else
    _pdn_root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]:-$0}")" && pwd -P)
fi
if [ -x "$_pdn_root/.venv/bin/python" ]; then
    eval "$("$_pdn_root/.venv/bin/python" -S "$_pdn_root/support/environment.py")"
    hash -r 2>/dev/null || true
    unset _pdn_root
else
    echo "pdn_ros is not set up: run 'make setup' in $_pdn_root" >&2
    unset _pdn_root
    return 1
fi
