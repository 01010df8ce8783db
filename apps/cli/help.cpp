// SPDX-License-Identifier: Apache-2.0
#include "help.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "enlarge/enlarge.hpp"

namespace cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 internal error, 2 wrong option, 3 not found, 4 reading or writing failed, 5 output exists,\n"
    "  6 damaged file, 7 not supported, 8 too large, 9 not enough memory, 10 device, 11 network, 12 overflow in the network,\n"
    "  20 several inputs and some failed, 130 interrupted";

std::string name_of(const Command& command) { return *command.name ? std::string("enlarge ") + command.name : "enlarge"; }

// The long names of an option or its short one, as typed: "--scale".
std::vector<std::string> spellings(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
    return names;
}

// What completion and manual need of a command, its subcommands included.
struct Described {
    std::string path;  // "models pull"
    std::shared_ptr<CLI::App> owner;
    CLI::App* app;
};

std::vector<Described> described() {
    std::vector<Described> all;
    for (const Command& command : commands()) {
        auto app = std::make_shared<CLI::App>(command.summary, name_of(command));
        define(command, *app);
        all.push_back({command.name, app, app.get()});
        for (CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; }))
            all.push_back({std::string(command.name) + " " + sub->get_name(), app, sub});
    }
    return all;
}

std::string roff(const std::string& text) {
    std::string out;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\') out += "\\e";
        else if (c == '-') out += "\\-";
        else out += c;
        line_start = c == '\n';
    }
    return out;
}

void roff_options(std::string& page, const CLI::App& app) {
    std::vector<std::string> groups;
    for (const CLI::Option* option : app.get_options())
        if (std::find(groups.begin(), groups.end(), option->get_group()) == groups.end()) groups.push_back(option->get_group());
    for (const std::string& group : groups) {
        if (group.empty()) continue;  // hidden
        page += ".PP\n.B " + roff(group) + "\n";
        for (const CLI::Option* option : app.get_options()) {
            if (option->get_group() != group) continue;
            std::string names;
            for (const std::string& name : spellings(*option)) names += (names.empty() ? "\\fB" : "\\fR, \\fB") + roff(name);
            if (names.empty()) names = "\\fI" + roff(option->get_name(true));
            page += ".TP\n" + names + "\\fR";
            if (option->get_items_expected_max() > 0 && !spellings(*option).empty()) page += " \\fI" + roff(option->get_type_name()) + "\\fR";
            page += "\n" + roff(option->get_description()) + "\n";
        }
    }
}

std::string bash_script(const std::vector<Described>& all) {
    std::string text = "# bash completion for enlarge; source this, or save it as /etc/bash_completion.d/enlarge\n"
                       "# Names of files and networks are data: nothing here expands them (compgen -W would run a name such as $(reboot)).\n"
                       "_enlarge_files() {\n"
                       "    local name\n"
                       "    COMPREPLY=()\n"
                       "    for name in \"${names[@]}\"; do [[ $name == \"$cur\"* ]] && COMPREPLY+=(\"$name\"); done\n"
                       "    while IFS= read -r name; do COMPREPLY+=(\"$name\"); done < <(compgen -f -- \"$cur\")\n"
                       "}\n"
                       "_enlarge() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} names=()\n"
                       "    case \"$prev\" in\n"
                       "        -d|--device) COMPREPLY=($(compgen -W 'auto cpu cuda vulkan reference' -- \"$cur\")); return ;;\n"
                       "        -p|--precision) COMPREPLY=($(compgen -W 'auto fp32 fp16 int16 int8' -- \"$cur\")); return ;;\n"
                       "        -m|--model) mapfile -t names < <(enlarge models list --names 2>/dev/null); _enlarge_files; return ;;\n"
                       "        --for) COMPREPLY=($(compgen -W 'photo drawing text film tape phone' -- \"$cur\")); return ;;\n"
                       "        --alpha) COMPREPLY=($(compgen -W 'network lanczos' -- \"$cur\")); return ;;\n"
                       "    esac\n"
                       "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n";
    // Longest paths first: "models pull" before "models".
    std::vector<const Described*> order;
    for (const Described& d : all) order.push_back(&d);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->path.size() > b->path.size(); });
    for (const Described* d : order) {
        std::string words;
        for (const CLI::Option* option : d->app->get_options())
            for (const std::string& name : spellings(*option)) words += name + " ";
        for (const CLI::App* sub : d->app->get_subcommands([](const CLI::App*) { return true; })) words += sub->get_name() + " ";
        if (d->path.empty())
            for (const Command& command : commands()) words += *command.name ? std::string(command.name) + " " : "";
        const std::string pattern = d->path.empty() ? "*" : d->path.find(' ') == std::string::npos ? "\"" + d->path + "\"*" : "\"" + d->path + "\"";
        text += "        " + pattern + ") names=(" + words + ") ;;\n";
    }
    return text + "    esac\n    _enlarge_files\n}\ncomplete -o filenames -F _enlarge enlarge\n";
}

std::string single_quoted(std::string text) {
    for (std::size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
    return "'" + text + "'";
}

std::string zsh_script(const std::vector<Described>& all) {
    std::string text = "#compdef enlarge\n# zsh completion for enlarge; save it as _enlarge in a folder of $fpath\n_enlarge() {\n    local -a options\n    case \"$words[2] $words[3]\" in\n";
    std::vector<const Described*> order;
    for (const Described& d : all) order.push_back(&d);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->path.size() > b->path.size(); });
    for (const Described* d : order) {
        const std::string pattern = d->path.empty() ? "*" : d->path.find(' ') == std::string::npos ? "\"" + d->path + "\"*" : "\"" + d->path + "\"";
        text += "        " + pattern + ") options=(";
        const auto entry = [&](const std::string& word, std::string summary) {
            for (char& c : summary)
                if (c == ':') c = ';';
            text += "\n            " + single_quoted(word + ":" + summary);
        };
        for (const CLI::Option* option : d->app->get_options())
            for (const std::string& name : spellings(*option)) entry(name, option->get_description());
        for (const CLI::App* sub : d->app->get_subcommands([](const CLI::App*) { return true; })) entry(sub->get_name(), sub->get_description());
        if (d->path.empty())
            for (const Command& command : commands())
                if (*command.name) entry(command.name, command.summary);
        text += ") ;;\n";
    }
    return text + "    esac\n    _describe 'enlarge' options\n    _files\n}\ncompdef _enlarge enlarge\n";
}

std::string fish_script(const std::vector<Described>& all) {
    std::string text = "# fish completion for enlarge; save it as ~/.config/fish/completions/enlarge.fish\n";
    std::string words;
    for (const Command& command : commands())
        if (*command.name) words += std::string(words.empty() ? "" : " ") + command.name;
    for (const Command& command : commands())
        if (*command.name)
            text += "complete -c enlarge -n '__fish_is_first_arg' -a " + std::string(command.name) + " -d " + single_quoted(command.summary) + "\n";
    for (const Described& d : all) {
        const std::string last = d.path.substr(d.path.rfind(' ') + 1);
        const std::string when = d.path.empty() ? "not __fish_seen_subcommand_from " + words : "__fish_seen_subcommand_from " + last;
        for (const CLI::App* sub : d.app->get_subcommands([](const CLI::App*) { return true; }))
            text += "complete -c enlarge -n '" + when + "' -a " + sub->get_name() + " -d " + single_quoted(sub->get_description()) + "\n";
        for (const CLI::Option* option : d.app->get_options()) {
            if (spellings(*option).empty()) continue;
            text += "complete -c enlarge -n '" + when + "'";
            for (const std::string& name : option->get_snames()) text += " -s " + name;
            for (const std::string& name : option->get_lnames()) text += " -l " + name;
            if (option->get_items_expected_max() > 0) text += " -r";
            text += " -d " + single_quoted(option->get_description()) + "\n";
        }
    }
    return text;
}

}  // namespace

Action define(const Command& command, CLI::App& app) {
    const Manual text = manual(command.name);
    app.get_formatter()->column_width(34);
    app.description(text.description);
    std::string footer = std::string("Examples:\n") + text.examples;
    if (!*command.name) {
        footer += "\nCommands (each has --help):\n";
        for (const Command& other : commands())
            if (*other.name) footer += "  " + std::string(other.name) + std::string(14 - std::min<std::size_t>(13, std::string(other.name).size()), ' ') + other.summary + "\n";
        footer += std::string("\n") + kExitCodes;
        app.set_version_flag("--version", std::string("enlarge ") + enlarge::version())->group("Other");
    }
    app.footer(footer);
    app.set_help_flag("-h,--help", "This text")->group("Other");
    return command.define(app);
}

std::string man_page() {
    const auto all = described();
    std::string page = ".TH ENLARGE 1 \"\" \"enlarge " + std::string(enlarge::version()) + "\"\n.SH NAME\nenlarge \\- makes pictures and video larger and cleaner\n"
                       ".SH SYNOPSIS\n.B enlarge\n\\fIINPUT\\fR... [\\fB\\-o\\fR \\fIOUTPUT\\fR] [\\fIoptions\\fR]\n";
    for (const Described& d : all)
        if (!d.path.empty() && d.path.find(' ') == std::string::npos) page += ".br\n.B enlarge " + d.path + "\n[\\fIoptions\\fR]\n";
    for (const Described& d : all) {
        const bool nested = d.path.find(' ') != std::string::npos;
        if (d.path.empty()) page += ".SH DESCRIPTION\n";
        else if (!nested) page += ".SH COMMAND " + roff(d.path) + "\n";
        else page += ".SS enlarge " + roff(d.path) + "\n";
        page += roff(nested ? d.app->get_description() : manual(d.path).description) + "\n";
        if (d.path.empty()) page += ".SH OPTIONS\n";
        roff_options(page, *d.app);
        if (!nested) page += ".PP\nExamples:\n.PP\n.nf\n" + roff(manual(d.path).examples) + ".fi\n";
    }
    page += ".SH EXIT STATUS\n.nf\n" + roff(kExitCodes) +
            "\n.fi\n.SH FILES\n"
            ".TP\n$XDG_DATA_HOME/enlarge/models (~/.local/share/enlarge/models)\nnetworks fetched by \\fBenlarge "
            "models pull\\fR\n"
            ".TP\n$XDG_CACHE_HOME/enlarge (~/.cache/enlarge)\nwhich precision each network was found to allow here; "
            "may be deleted\n"
            ".SH ENVIRONMENT\n.TP\nENLARGE_ISA\nthe instruction set to use: scalar, avx2, avx512, avx512_vnni, amx, "
            "neon, neon_dotprod, sve256, sve512\n"
            ".TP\nENLARGE_BACKEND\nwhat \\-\\-device auto means: cpu, cuda, vulkan, reference\n"
            ".TP\nENLARGE_CACHE\nanother folder instead of the cache above; empty: none\n"
            ".TP\nENLARGE_MODELS\nfolders of your own models, separated by colons; found by their names\n"
            ".TP\nENLARGE_OFFLINE\n1: never download\n";
    return page;
}

enlarge::Result<std::string> completion_script(const std::string& shell) {
    if (shell == "bash") return bash_script(described());
    if (shell == "zsh") return zsh_script(described());
    if (shell == "fish") return fish_script(described());
    return enlarge::Error{enlarge::Errc::argument, "no completions for '" + shell + "'; there are bash, zsh and fish"};
}

}  // namespace cli
