"""catactl completion"""

from typing import Annotated, Literal

from typer import Argument

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.command_tree import COMPLETION_VARIABLE
from catactl.results.program import CompletionScript
from catactl.results.result import Text

Shell = Annotated[
    Literal["bash", "zsh", "fish"], Argument(metavar="SHELL", help="bash, zsh or fish.")
]

_BASH = """
_catactl() {
    local kind= word=
    COMPREPLY=()
    {
        read -r kind
        while IFS= read -r word; do
            COMPREPLY+=("$word")
        done
    } < <(VARIABLE=bash "${1/#\\~/$HOME}" "${COMP_LINE:0:COMP_POINT}" "$2" </dev/null 2>/dev/null)
    if [[ $kind == paths ]]; then
        compopt -o default 2>/dev/null
    fi
}
complete -F _catactl catactl
"""
_ZSH = """
#compdef catactl
_catactl() {
    local -a answer values shown list
    answer=("${(@f)$(VARIABLE=zsh "${(Q)words[1]/#\\~/$HOME}" "${(@Q)words[2,CURRENT-1]}" \\
        "${(Q)PREFIX}" </dev/null 2>/dev/null)}")
    case $answer[1] in
        paths)
            [[ $PREFIX == --*=* ]] && compset -P '*='
            _files
            ;;
        words)
            shift answer
            values=("${(@)answer%%$'\\t'*}")
            shown=("${(@)answer/$'\\t'/  -- }")
            [[ "$answer" == *$'\\t'* ]] && list=(-l)
            compadd $list -d shown -a values
            ;;
    esac
}
if [[ $funcstack[1] == _catactl ]]; then
    _catactl "$@"
else
    compdef _catactl catactl
fi
"""
_FISH = """
function __catactl_words
    set -l before (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $before[1])
    set -e before[1]
    set -l current (commandline -ct)
    set -l answer (VARIABLE=fish $program $before $current </dev/null 2>/dev/null)
    set -l kind $answer[1]
    set -e answer[1]
    if test "$kind" = paths
        set -l flag (string match -r '^--[^=]*=' -- $current)
        for path in (__fish_complete_path (string replace -r '^--[^=]*=' '' -- $current))
            printf '%s\\n' "$flag$path"
        end
    else if test "$kind" = words
        printf '%s\\n' $answer
    end
end
complete -c catactl -f -k -a '(__catactl_words)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@command()
def completion(context: Context, shell: Shell) -> Text[CompletionScript]:
    """Print the script that lets a shell complete commands, options and stored names.

    For bash, add to ~/.bashrc: source <(catactl completion bash). For zsh, add to ~/.zshrc after
    compinit: source <(catactl completion zsh). For fish, save the script as
    ~/.config/fish/completions/catactl.fish.

    Example: catactl completion bash
    """
    script = _SCRIPTS[shell].lstrip().replace("VARIABLE", COMPLETION_VARIABLE)
    return Text([script.rstrip()], {"shell": shell, "script": script})
