// SPDX-License-Identifier: Apache-2.0
// Finds the command, parses its options, runs it.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "engine_options.hpp"
#include "enlarge/enlarge.hpp"
#include "help.hpp"
#include "text.hpp"

namespace {

// "--modle" -> "; did you mean --model?"; also for the words of commands that have subcommands.
std::string meant(const CLI::App& app, const std::vector<std::string>& words) {
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        known.push_back(sub->get_name());
        for (const CLI::Option* option : sub->get_options())
            for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    for (const std::string& word : words) {
        const std::string name = word.substr(0, word.find('='));
        if (const std::string best = cli::nearest(name, known); !best.empty()) return "; did you mean " + best + "?";
    }
    return "";
}

// `enlarge model list`: a word that is no file and nearly a command.
std::string meant_command(const std::string& word) {
    if (word.size() < 4 || word.find_first_of("-./:*?[") != std::string::npos || ::access(word.c_str(), F_OK) == 0) return "";
    std::vector<std::string> names;
    for (const cli::Command& command : cli::commands())
        if (*command.name) names.emplace_back(command.name);
    return cli::nearest(word, names);
}

int run(int argc, char** argv) {
    const cli::Command* command = &cli::commands().front();
    const char* word = argc > 1 ? argv[1] : "";
    for (const cli::Command& candidate : cli::commands())
        if (*candidate.name && std::strcmp(word, candidate.name) == 0) command = &candidate;
    const bool main_command = !*command->name;
    if (const std::string other = main_command ? meant_command(word) : ""; !other.empty()) {
        std::fprintf(stderr, "enlarge: there is no file and no command '%s'; did you mean `enlarge %s`?\n", word, other.c_str());
        return cli::kUsage;
    }

    CLI::App app(command->summary, main_command ? "enlarge" : std::string("enlarge ") + command->name);
    const cli::Action action = cli::define(*command, app);
    if (argc == 1) {
        std::fprintf(stderr, "enlarge: nothing to do; say `enlarge PICTURE`, or `enlarge --help` for everything\n");
        return cli::kUsage;
    }
    try {
        app.parse(main_command ? argc : argc - 1, main_command ? argv : argv + 1);
    } catch (const CLI::Success& success) {  // --help, --version
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        for (int i = 1; i < argc; ++i)
            if (argv[i][0] == '-' && argv[i][1] && ::access(argv[i], F_OK) == 0) {
                std::fprintf(stderr, "enlarge: a file whose name begins with '-' is given as ./%s\n", cli::printable(argv[i]).c_str());
                return cli::kUsage;
            }
        std::string what = error.what(), hint;
        if (dynamic_cast<const CLI::ExtrasError*>(&error)) {
            std::vector<std::string> unknown = app.remaining(true);
            what = "not understood:";
            for (const std::string& one : unknown) what += " " + one;
            hint = meant(app, unknown);
        }
        std::fprintf(stderr, "enlarge: %s%s; see `%s --help`\n", cli::printable(what).c_str(), hint.c_str(), app.get_name().c_str());
        return cli::kUsage;
    }
    return action();
}

}  // namespace

int main(int argc, char** argv) {
    cli::occupy_standard_streams();
    cli::install_signal_handlers();
    cli::settle_environment();
    try {
        return cli::end_output(run(argc, argv));
    } catch (const std::bad_alloc&) {
        return cli::fail({enlarge::Errc::memory, "not enough memory; try --memory with a smaller size"});
    } catch (const std::exception& e) {
        return cli::fail({enlarge::Errc::internal, std::string("internal error: ") + e.what()});
    }
}
