// What a shell loads so that Tab asks `sallyport __complete` (complete.ts). They know no command and no flag, so they are never
// out of date; they pass on the words, show what comes back, and do what the last line says.

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** Stands in every script: by it a file is known as ours. */
export const mark = "# Made by sallyport completion.";

export const scripts: Readonly<Record<Shell, string>> = {
  // COMP_WORDS is split at = : and @ as well; readline replaces only what stands after the last = or :.
  bash: `${mark}
_sallyport() {
    local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} rest word at=0 lead directive first
    local -a words=() said=() candidates=() extensions=()
    rest=$line
    for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        local joined=0
        if [[ $rest == [[:space:]]* ]]; then
            rest=\${rest#"\${rest%%[![:space:]]*}"}
        elif ((at > 0)); then
            joined=1
        fi
        [[ $rest == "$word"* ]] || word=$rest
        rest=\${rest#"$word"}
        if ((joined)); then words[at - 1]+=$word; else words[at++]=$word; fi
    done
    [[ $line == *[[:space:]] && -n \${words[at - 1]} ]] && words[at++]=
    local current=\${words[at - 1]}
    mapfile -t said < <("\${words[0]/#\\~/$HOME}" __complete -- "\${words[@]:1}" 2>/dev/null)
    ((\${#said[@]} > 0)) || return 0
    directive=\${said[\${#said[@]} - 1]}
    unset 'said[\${#said[@]} - 1]'
    lead=
    [[ $current == *[=:]* ]] && lead=\${current%"\${current##*[=:]}"}
    COMPREPLY=()
    for word in "\${said[@]}"; do
        word=\${word%%$'\\t'*}
        COMPREPLY+=("\${word#"$lead"}")
    done
    case $directive in
        :files*)
            read -ra extensions <<<"\${directive#:files}"
            if ((\${#extensions[@]} > 0)); then
                local pattern
                pattern=$(IFS='|'; printf %s "\${extensions[*]}")
                shopt -q extglob || { shopt -s extglob; local unset_extglob=1; }
                mapfile -t candidates < <(compgen -f -X "!*.@($pattern)" -- "\${current#"$lead"}"; compgen -d -- "\${current#"$lead"}")
                [[ -z \${unset_extglob-} ]] || shopt -u extglob
            else
                mapfile -t candidates < <(compgen -f -- "\${current#"$lead"}")
            fi
            COMPREPLY=("\${candidates[@]}")
            compopt -o filenames 2>/dev/null
            ;;
        :folders)
            mapfile -t COMPREPLY < <(compgen -d -- "\${current#"$lead"}")
            compopt -o filenames 2>/dev/null
            ;;
        :command*)
            first=\${directive#:command }
            if declare -F _command_offset >/dev/null && ((\${#COMP_WORDS[@]} == at)); then
                _command_offset $((first + 1))
            elif ((first + 2 == at)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$current"; compgen -f -- "$current")
                compopt -o filenames 2>/dev/null
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                compopt -o filenames 2>/dev/null
            fi
            ;;
    esac
}
complete -F _sallyport sallyport
`,
  zsh: `#compdef sallyport
${mark}
_sallyport() {
    local -a said candidates extensions
    local directive line
    said=("\${(@f)$("\${(Q)words[1]/#\\~/$HOME}" __complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive=\${said[-1]}
    said[-1]=()
    for line in "\${said[@]}"; do
        if [[ $line == *$'\\t'* ]]; then
            candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
        else
            candidates+=("\${line//:/\\\\:}")
        fi
    done
    if ((\${#candidates} > 0)); then
        _describe -V sallyport candidates
        return
    fi
    # --flag=value: what is completed is the value alone
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    case $directive in
        ':files '*)
            extensions=(\${=directive#:files })
            _files -g "*.(\${(j:|:)extensions})(-.)"
            ;;
        :files) _files ;;
        :folders) _files -/ ;;
        ':command '*)
            local first=$((\${directive#:command } + 1))
            shift $first words
            ((CURRENT -= first))
            _normal
            ;;
    esac
}
if [[ \${funcstack[1]-} == _sallyport ]]; then
    _sallyport "$@"
else
    compdef _sallyport sallyport
fi
`,
  fish: `${mark}
function __sallyport_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l said ($before[1] __complete -- $before[2..-1] "$current" 2>/dev/null)
    or return
    set -l directive $said[-1]
    set -e said[-1]
    if test (count $said) -gt 0
        printf '%s\\n' $said
        return
    end
    set -l lead (string match -r -- '^--[^=]+=' "$current")
    set -l start (string replace -r -- '^--[^=]+=' '' "$current")
    switch "$directive"
        case ':files *'
            set -l endings (string split ' ' -- (string replace ':files ' '' -- $directive))
            set -l pattern '(/|\\\\.('(string join '|' $endings)'))$'
            for each in (__fish_complete_path "$start")
                set -l file (string split -m1 \\t -- $each)[1]
                string match -rq -- $pattern $file; and printf '%s%s\\n' "$lead" $file
            end
        case ':files'
            for each in (__fish_complete_path "$start")
                printf '%s%s\\n' "$lead" $each
            end
        case ':folders'
            for each in (__fish_complete_directories "$start" '')
                printf '%s%s\\n' "$lead" $each
            end
        case ':command *'
            set -l first (math (string replace ':command ' '' -- $directive) + 2)
            set -l words (string escape -- $before[$first..-1])
            complete -C (string join ' ' -- $words "$current")
    end
end
complete -c sallyport -e
complete -c sallyport -f -a '(__sallyport_complete)'
`,
};
