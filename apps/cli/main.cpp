// SPDX-License-Identifier: Apache-2.0
// Finds the command, parses its options, runs it.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "CLI/CLI.hpp"
#include "command.hpp"
#include "enlarge/enlarge.hpp"
#include "help.hpp"
#include "text.hpp"

namespace {

int run(int argc, char** argv) {
    const cli::Command* command = &cli::commands().front();
    const char* word = argc > 1 ? argv[1] : "";
    for (const cli::Command& candidate : cli::commands())
        if (*candidate.name && std::strcmp(word, candidate.name) == 0) command = &candidate;
    const bool main_command = !*command->name;

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
        std::fprintf(stderr, "enlarge: %s; see `%s --help`\n", cli::printable(error.what()).c_str(), app.get_name().c_str());
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
