// SPDX-License-Identifier: Apache-2.0
// How a command of the program is made.
//
// To add one: write `Action define_foo(CLI::App& app)` in foo_command.cpp, which adds the options of `enlarge foo` to
// `app` and returns what runs once they have been parsed; declare it below; add a line to the list in commands.cpp.
// Help, man page and shell completions are made from what define_foo() adds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "enlarge/cancel.hpp"
#include "enlarge/notice.hpp"
#include "enlarge/result.hpp"

namespace CLI {
class App;
}

namespace cli {

// What a command does; its return value is the exit code. Options live in a shared_ptr that the action captures.
using Action = std::function<int()>;

struct Command {
    const char* name;      // the word after `enlarge`; empty for the main one
    const char* summary;   // one line for the list of commands
    Action (*define)(CLI::App& app);
};

// All commands, the main one (name "") first.
const std::vector<Command>& commands();

// The long description and the examples of a command, for --help and the man page.
struct Manual {
    const char* description;
    const char* examples;
};
Manual manual(const std::string& command);

Action define_upscale(CLI::App& app);
Action define_models(CLI::App& app);
Action define_devices(CLI::App& app);
Action define_compare(CLI::App& app);
Action define_export(CLI::App& app);
Action define_completions(CLI::App& app);
Action define_bench(CLI::App& app);
Action define_plan(CLI::App& app);
Action define_work(CLI::App& app);
Action define_join(CLI::App& app);
Action define_status(CLI::App& app);
Action define_serve(CLI::App& app);

// Exit codes; docs/json.md and --help list them.
enum ExitCode : int {
    kOk = 0,
    kInternal = 1,
    kUsage = 2,        // a wrong option (Errc::argument too)
    kNotFound = 3,
    kIo = 4,
    kExists = 5,
    kFormat = 6,
    kUnsupported = 7,
    kLimit = 8,
    kMemory = 9,
    kDevice = 10,
    kNetwork = 11,
    kNumeric = 12,
    kSomeFailed = 20,  // several inputs, not all of which were done
    kInterrupted = 130,
};
int exit_code(enlarge::Errc code);

// Prints "enlarge: <message>" to stderr and returns the exit code for it.
int fail(const enlarge::Error& error);

// True once SIGINT or SIGTERM arrived; install_signal_handlers() is called by main().
void install_signal_handlers();
bool interrupted();
// The same for the library.
const enlarge::Cancellation& interruption();

// First thing in main(): puts something on standard input, output and error where they are closed, so that no file opened
// later becomes one of them and takes our messages into it.
void occupy_standard_streams();
// What libraries read from the environment, set right while there is one thread.
void settle_environment();
// What that has to say to whoever works on files.
const std::vector<enlarge::Notice>& early_notices();
// Last thing in main(): the exit code, or kIo when standard output could not take what was printed (a full disk). A
// reader that went away is no error. An interrupted program ends here.
int end_output(int code);

}  // namespace cli
