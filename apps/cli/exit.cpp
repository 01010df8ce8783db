// SPDX-License-Identifier: Apache-2.0
// Exit codes and signals.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "command.hpp"
#include "text.hpp"

namespace cli {
namespace {

volatile std::sig_atomic_t signalled = 0;
// Made before signals are taken and never destroyed. Asking it to stop sets a flag without locks.
const enlarge::Cancellation* stop = nullptr;

extern "C" void on_signal(int) {
    signalled = 1;
    stop->cancel();
}

std::vector<enlarge::Notice> notices;  // of settle_environment()

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
    std::fprintf(stderr, "enlarge: %s\n", printable(error.message).c_str());
    return exit_code(error.code);
}

void install_signal_handlers() {
    stop = new enlarge::Cancellation(enlarge::Cancellation::create());
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the program at once
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    // A closed pipe, and a file larger than `ulimit -f` allows, are errors of write(), reported as one sentence.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
}

void occupy_standard_streams() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
        // Opened the wrong way round: using it fails as it would have failed.
        if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) std::_Exit(kIo);
    }
}

void settle_environment() {
    // SVT-AV1 talks to standard error by itself; 1: errors only. Set here, because later there are threads.
    ::setenv("SVT_LOG", "1", 0);
    // Otherwise vips_init() loads all of libvips's modules, which takes longer than a small picture; pictures that need
    // one load it.
    ::setenv("VIPSHOME", "/dev/null", 0);
    const char* folder = std::getenv("TMPDIR");
    if (!folder || !*folder || ::access(folder, W_OK | X_OK) == 0) return;
    notices.push_back({"tmpdir-replaced", "TMPDIR is '" + std::string(folder) + "', where nothing can be written (" + std::strerror(errno) + "); /tmp is used"});
    ::unsetenv("TMPDIR");
}

int end_output(int code) {
    // Encoders that cannot be stopped may still be at work, and would miss what std::exit() takes apart.
    if (code == kInterrupted) {
        std::fflush(nullptr);
        std::_Exit(code);
    }
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    const std::string reason = std::strerror(errno);
    // Whoever reads has seen enough (`| head`). A picture written to a closed pipe failed before, and said so.
    pollfd output{STDOUT_FILENO, POLLOUT, 0};
    if (::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0) return code;
    return code == kOk ? fail({enlarge::Errc::io, "standard output: cannot write: " + reason}) : code;
}

bool interrupted() { return signalled != 0; }

const enlarge::Cancellation& interruption() { return *stop; }

const std::vector<enlarge::Notice>& early_notices() { return notices; }

}  // namespace cli
