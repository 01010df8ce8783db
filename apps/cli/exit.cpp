// SPDX-License-Identifier: Apache-2.0
// Exit codes and signals.
#include <csignal>
#include <cstdio>

#include "command.hpp"

namespace cli {
namespace {

volatile std::sig_atomic_t signalled = 0;

extern "C" void on_signal(int) { signalled = 1; }

}  // namespace

int exit_code(enlarge::Errc code) {
    using enum enlarge::Errc;
    switch (code) {
        case internal: return kInternal;
        case argument: return kUsage;
        case not_found: return kNotFound;
        case io: return kIo;
        case exists: return kExists;
        case format: return kFormat;
        case unsupported: return kUnsupported;
        case limit: return kLimit;
        case memory: return kMemory;
        case device: return kDevice;
        case network: return kNetwork;
        case numeric: return kNumeric;
        case cancelled: return kInterrupted;
    }
    return kInternal;
}

int fail(const enlarge::Error& error) {
    std::fprintf(stderr, "enlarge: %s\n", error.message.c_str());
    return exit_code(error.code);
}

void install_signal_handlers() {
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the program at once
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), reported as one sentence
}

bool interrupted() { return signalled != 0; }

}  // namespace cli
