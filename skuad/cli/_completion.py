"""skuad completion: a script for the shell, made from the parser."""

from argparse import ArgumentParser, Namespace

from skuad.cli._arguments import build_parser
from skuad.cli._console import Console

_BASH = """\
# Completion of skuad for bash; also for zsh, after bashcompinit.
_skuad() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
    local previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands} --help --version" -- "$current"))
        return
    fi
    case "${{COMP_WORDS[1]}} $previous" in
{choices}
    esac
    if [ -z "$words" ]; then
        case "$current ${{COMP_WORDS[1]}}" in
{options}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _skuad skuad
"""

_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def run(args: Namespace, console: Console) -> int:
    """Run the command; return its exit code."""
    script = completion_script(args.shell)
    console.say(script.rstrip("\n"))
    console.give({"shell": args.shell, "script": script})
    return 0


def completion_script(shell: str) -> str:
    """Return the script of a shell, "bash" or "zsh"."""
    commands = build_parser().commands()
    choices, options = [], []
    for name, parser in commands.items():
        for action in parser._actions:
            if not action.choices:
                continue
            words = " ".join(map(str, action.choices))
            for option in action.option_strings or [name]:
                choices.append(f'        "{name} {option}") words="{words}" ;;')
        words = " ".join(_long_options(parser))
        options.append(f'            -*" {name}") words="{words}" ;;')
    script = _BASH.format(
        commands=" ".join(commands),
        choices="\n".join(choices),
        options="\n".join(options),
    )
    return (_ZSH if shell == "zsh" else "") + script


def _long_options(parser: ArgumentParser) -> list[str]:
    return [
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    ]
